"""The migrations make exactly the tables that the models describe, and can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import notifications.models  # noqa: F401 - its tables too
from maintenance import schema
from maintenance.database import Base, Database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    url = (
        f"sqlite:///{tmp_path}/empty.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    return Database(url)


def test_migrated_schema_equals_the_models(empty_database: Database) -> None:
    schema.upgrade(empty_database)

    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
    empty_database.dispose()

    assert differences == []


def test_every_migration_can_be_taken_back(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    schema.downgrade(empty_database, "base")

    tables = sqlalchemy.inspect(empty_database.engine).get_table_names()
    empty_database.dispose()

    assert tables == ["alembic_version"]


def test_a_database_that_is_not_up_to_date_is_refused_with_the_command_to_run(
    empty_database: Database,
) -> None:
    with pytest.raises(schema.SchemaOutOfDate, match="janela db upgrade"):
        schema.check(empty_database)

    schema.upgrade(empty_database)
    schema.check(empty_database)
    empty_database.dispose()


def test_the_files_are_numbered_so_that_the_folder_reads_as_a_history() -> None:
    files = sorted(Path("migrations/versions").glob("*.py"))

    assert [file.name[:4] for file in files] == [f"{n:04}" for n in range(1, len(files) + 1)]
