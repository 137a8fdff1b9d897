"""Keep sweeps

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("spec_hash", sa.LargeBinary(), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column(
            "result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_sweeps_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_sweeps_market_markets")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_sweeps_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    op.create_index(op.f("ix_sweeps_job_id"), "sweeps", ["job_id"])
    op.create_index(op.f("ix_sweeps_owner_id_id"), "sweeps", ["owner_id", "id"])
    op.create_index(
        "uq_sweeps_spec",
        "sweeps",
        ["owner_id", "spec_hash", "data_version"],
        unique=True,
    )
    op.create_foreign_key(
        op.f("fk_backtests_sweep_id_sweeps"), "backtests", "sweeps", ["sweep_id"], ["id"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_backtests_sweep_id_sweeps"), "backtests", type_="foreignkey")
    op.drop_table("sweeps")
