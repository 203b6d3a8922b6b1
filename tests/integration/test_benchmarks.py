"""What a benchmark leaves behind when it is killed: the next one clears it away."""

from __future__ import annotations

import os

import sqlalchemy

from benchmarks.delivery import drop_left_behind


def test_databases_of_dead_benchmarks_are_dropped_and_those_of_living_ones_kept(postgres_server: str) -> None:
    admin = sqlalchemy.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    # No process can have the first number.
    dead, living = f"janela_bench_{2**22 + 1}_test", f"janela_bench_{os.getpid()}_test"
    with admin.connect() as connection:
        for name in (dead, living):
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')

        drop_left_behind(connection)

        left = connection.exec_driver_sql("SELECT datname FROM pg_database").scalars().all()
        assert dead not in left
        assert living in left
        connection.exec_driver_sql(f'DROP DATABASE "{living}"')
    admin.dispose()
