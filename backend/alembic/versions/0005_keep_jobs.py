"""Keep jobs

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column(
            "cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_by", sa.String(length=100), nullable=True),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("chunks_left", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(length=32), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column(
            "result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (state IN ('queued', 'running')) AND (finished_at IS NULL OR (chunks_left = 0 AND finished_at >= created_at))",
            name=op.f("ck_jobs_ended_has_its_time"),
        ),
        sa.CheckConstraint(
            "(lease_until IS NOT NULL) = (state = 'running' AND chunks_left = 0) AND (leased_by IS NOT NULL) = (lease_until IS NOT NULL)",
            name=op.f("ck_jobs_running_is_leased"),
        ),
        sa.CheckConstraint(
            "(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_jobs_failure_has_its_error")
        ),
        sa.CheckConstraint(
            "(state = 'succeeded') = (result IS NOT NULL) AND (state <> 'succeeded' OR progress = 1)",
            name=op.f("ck_jobs_success_has_its_result"),
        ),
        sa.CheckConstraint(
            "jsonb_typeof(arguments) = 'object'", name=op.f("ck_jobs_arguments_are_named")
        ),
        sa.CheckConstraint(
            "state <> 'cancelled' OR cancel_requested", name=op.f("ck_jobs_cancelled_was_asked_for")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state_is_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL",
            name=op.f("ck_jobs_running_has_started"),
        ),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_jobs_attempt_is_a_count")),
        sa.CheckConstraint(
            "chunks >= 0 AND chunks_left >= 0 AND chunks_left <= chunks",
            name=op.f("ck_jobs_chunks_are_counted"),
        ),
        sa.CheckConstraint(
            "parent_id IS NULL OR chunks = 0", name=op.f("ck_jobs_chunks_have_no_chunks")
        ),
        sa.CheckConstraint(
            "progress >= 0 AND progress <= 1", name=op.f("ck_jobs_progress_is_a_fraction")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_jobs_owner_id_users")),
        sa.ForeignKeyConstraint(["parent_id"], ["jobs.id"], name=op.f("fk_jobs_parent_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_claimable",
        "jobs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND chunks_left = 0"),
    )
    op.create_index(
        "ix_jobs_leases",
        "jobs",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(op.f("ix_jobs_owner_id_id"), "jobs", ["owner_id", "id"], unique=False)
    op.create_index(
        op.f("ix_jobs_parent_id"),
        "jobs",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_key",
        "jobs",
        ["owner_id", "kind", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_lane",
        "jobs",
        ["kind", "lane"],
        unique=True,
        postgresql_where=sa.text("lane IS NOT NULL AND state IN ('queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_table("jobs")
