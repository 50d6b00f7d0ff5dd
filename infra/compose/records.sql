-- The records beside Prefect's database: both keep an alembic_version table, so they cannot share one.
CREATE DATABASE records OWNER tes;
