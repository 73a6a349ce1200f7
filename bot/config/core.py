"""The core's own sections of ``mentee.toml``; plugins bring others (:mod:`bot.config.sections`)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bot.domain.people import QUALIFIED


class SettingsSection(BaseModel):
    """Base class for a section's model: values are frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(SettingsSection):
    """Where Mentee keeps its data."""

    url: str = Field("", description="SQLAlchemy URL of the database. Empty: SQLite in the home.")
    artifacts: str = Field(
        "", description="Folder for adapters, indexes and datasets; replicas share it. Empty: the home."
    )


class ModelSettings(SettingsSection):
    """The chat model, the embedding model, and how they run."""

    engine: Literal["local", "openai"] = Field("local", description="local: run the model here; openai: call a server.")
    name: str = Field("smollm2-135m-instruct", description="Chat model, by the name it was fetched under.")
    embedder: str = Field("all-minilm-l6-v2", description="Embedding model; hashing needs none.")
    dtype: Literal["auto", "int8", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, int8 on CPUs that support it well, otherwise float32."
    )
    cache_mb: int = Field(
        1024, ge=1, description="Memory for the key-value cache (running answers and earlier prompts), in MiB."
    )
    server_url: str = Field(
        "",
        description="URL of the OpenAI-compatible server for engine = 'openai'; separate several with spaces.",
    )
    standby: str = Field(
        "", description="Local chat model that answers while no server can. Empty: people get an error message."
    )
    max_new_tokens: int = Field(256, ge=1, le=4096, description="Maximum length of an answer, in tokens.")
    threads: int = Field(0, ge=0, description="CPU threads for the engine. 0: all cores.")

    @property
    def training_dtype(self) -> Literal["auto", "float32", "bfloat16"]:
        """The data type of rounds: int8 is for serving only."""
        return "auto" if self.dtype == "int8" else self.dtype


class WebSettings(SettingsSection):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0: all networks.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on. 0: any free port.")
    public_url: str = Field("", description="URL people open; https turns on secure cookies.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of your proxies, such as 10.0.0.0/8. X-Forwarded-For counts only from "
        "them. Empty: never.",
    )
    sign_in: Literal["password", "demo"] = Field(
        "password",
        description="demo: anyone on this machine is signed in as an operator. Only for trying Mentee: it needs a "
        "loopback host and no public_url.",
    )
    session_hours: int = Field(12, ge=1, description="Hours until people must sign in again.")


class NetworkSettings(SettingsSection):
    """Which addresses plugins may reach with Mentee's HTTP client."""

    allow: tuple[str, ...] = Field(
        (),
        description="Networks that may be reached although they aren't public, such as 10.20.0.0/16. Empty: none.",
    )


class LimitSettings(SettingsSection):
    """Time and size limits. Every wait and every queue has one."""

    question_chars: int = Field(4_000, ge=1, description="Maximum length of a question, in characters.")
    questions_per_minute: int = Field(30, ge=1, description="Maximum number of questions per person and minute.")
    queue: int = Field(200, ge=1, description="Maximum number of questions that wait.")
    retrieval_seconds: float = Field(10.0, gt=0, description="Maximum time to find passages.")
    generation_seconds: float = Field(60.0, gt=0, description="Maximum time to write an answer.")
    first_token_seconds: float = Field(30.0, gt=0, description="Maximum wait for a server's first token.")
    next_token_seconds: float = Field(15.0, gt=0, description="Maximum wait for a server's next token.")
    plugin_seconds: float = Field(2.0, gt=0, description="Maximum time for one hook of one plugin.")
    plugins: dict[str, Annotated[float, Field(gt=0, le=3600)]] = Field(
        default_factory=dict,
        description="Time limits for single plugins instead of plugin_seconds, such as `wiki = 5.0`; at most an hour.",
    )
    action_seconds: float = Field(10.0, gt=0, description="Maximum time for a confirmed action of a plugin.")
    drain_seconds: float = Field(25.0, gt=0, description="Maximum time to finish running work on shutdown.")
    lease_seconds: float = Field(15.0, gt=0, description="Time without a heartbeat after which a lease is lost.")


class AnswerSettings(SettingsSection):
    """How Mentee answers. Departments can override these with ``mentee departments configure``."""

    passages: int = Field(3, ge=1, le=12, description="How many of the best passages the model reads.")
    passages_at_once: int = Field(
        0, ge=0, description="Passages per prompt; the next ones follow if the model finds no answer. 0: all at once."
    )
    known_threshold: float = Field(0.5, ge=0, le=1, description="Minimum relevance for a passage to count as found.")
    refusal_odds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="How sure the local model must be to refuse: the minimum ratio of its odds for a refusal to the "
        "square root of the passage's relevance odds. Higher means fewer refusals. 0: the model decides alone.",
    )
    sure_odds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="With passages in several prompts: the model first answers only from passages where its odds for "
        "a refusal stay below this ratio, and if there are none, where they stay below refusal_odds. 0: the first "
        "passage that refusal_odds allows.",
    )
    quote_threshold: float = Field(
        0.8, ge=0, le=1, description="Minimum relevance for quoting the best passage if the model finds no answer."
    )
    curated_threshold: float = Field(
        0.92,
        ge=0,
        le=1,
        description="Minimum probability that the question is the same, for a curated answer to be given.",
    )
    suggestion_threshold: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Minimum similarity for a curated answer to be suggested beside the answer. 1: no suggestions.",
    )
    chat_without_documents: bool = Field(
        default=True,
        description="Whether the model answers from general knowledge while a department has no documents. Off by "
        "default in departments that a plugin offers with documents.",
    )

    def refusal_chance(self, relevance: float = 0.5, *, doubt: float = 1.0, sure: bool = False) -> float:
        """Return the chance from which a model may say that passages of this relevance, 0..1, do not answer.

        Bayes' rule in odds: what retrieval holds of a passage before it is read, against what the reader does after.
        Both see partly the same in it, so retrieval's odds count by their square root (docs/decisions/refusal-odds.md).

        :param doubt: how many times likelier than others the question is to have no answer.
        :param sure: whether a better passage may follow, so that ``sure_odds`` apply.
        """
        against = (self.sure_odds if sure else self.refusal_odds) / doubt * math.sqrt(relevance)
        return against / (against + math.sqrt(1 - relevance)) if against else 0.0


class FeedbackSettings(SettingsSection):
    """Messages about feedback. Departments can override these with ``mentee departments configure``."""

    tell_voters: bool = Field(
        default=True,
        description="Send people a private message once an answer that they voted down is corrected or learned, and "
        "once an agent decides about a correction that they proposed.",
    )


class EscalationSettings(SettingsSection):
    """Questions for a person. Departments can override these with ``mentee departments configure``."""

    channel: str = Field(
        "", description="Where escalations go, such as slack:C024BE91L. Empty: to each owner directly."
    )
    owners: tuple[str, ...] = Field(
        (), description="People who handle escalations, such as slack:U024BE7LH. None: the department's agents."
    )
    remind_hours: float = Field(4.0, ge=0, description="Hours until one reminder about an open escalation. 0: never.")

    @field_validator("channel", "owners")
    @classmethod
    def _named_in_full(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in value if isinstance(value, tuple) else filter(None, [value]):
            if not QUALIFIED.fullmatch(name):
                raise ValueError(f"{name!r} needs a plugin, as in slack:C024BE91L")
        return value


class TuningSettings(SettingsSection):
    """How rounds train. Departments can override these with ``mentee departments configure``."""

    min_examples: int = Field(40, ge=1, description="Minimum number of training examples for a round.")
    min_questions: int = Field(20, ge=2, description="Minimum number of held-out questions for a round.")
    held_out_share: float = Field(0.2, gt=0, lt=0.9, description="Share of new questions set aside for evaluation.")
    person_share: float = Field(0.05, gt=0, le=1, description="Maximum share of a round from one employee.")
    agent_share: float = Field(0.4, gt=0, le=1, description="Maximum share of a round from one agent or operator.")
    account_days: float = Field(
        4, ge=0, description="Votes of accounts younger than this many days wait for an operator. 0: none."
    )
    burst_votes: int = Field(
        60, ge=0, description="More votes than this by one person in a burst wait for an operator. 0: never."
    )
    burst_minutes: float = Field(60, gt=0, description="How long a burst is.")
    alike_accounts: int = Field(
        5,
        ge=0,
        description="Votes of at least this many employees who vote alike in a burst are held. 0: never.",
    )
    outlier_level: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Significance level at which people who contradict all others are left out. 0: off.",
    )
    confirm_corrections: int = Field(
        0, ge=0, description="Agents' corrections with more characters than this need a second agent. 0: none."
    )
    approval: Literal["auto", "operator"] = Field(
        "auto", description="Who lets a better adapter go live: the gate alone, or an operator after it."
    )
    schedule: str = Field("", description="Cron expression for automatic rounds. Empty: none.")
    threshold: int = Field(0, ge=0, description="Start a round after this many new votes. 0: never.")
    stale_days: int = Field(
        30, ge=1, description="Days until a round must replace an adapter that learned from erased data."
    )
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA adapter.")
    learning_rate: float = Field(5e-4, gt=0, description="Learning rate of supervised training (SFT).")
    epochs: int = Field(2, ge=1, description="Number of passes over the data.")
    batch_size: int = Field(8, ge=2, description="Examples per training step.")
    kto_learning_rate: float = Field(5e-5, gt=0, description="Learning rate of training on thumbs (KTO).")
    kto_beta: float = Field(0.1, gt=0, description="How closely KTO stays to the model it started from.")
    seed: int = Field(0, description="Random seed. The same seed and data give the same adapter.")


class OutcomeSettings(SettingsSection):
    """The outcome ledger, which counts how questions ended."""

    leave_out: list[str] = Field(
        [], description="People whose questions don't count, such as a monitoring bot: ids like web:probe."
    )


class RetentionSettings(SettingsSection):
    """How long things are kept, in days. 0: forever. Questions, answers, votes and reports are kept until erased."""

    inbox_days: int = Field(30, ge=0, description="Messages that were received and handled.")
    outbox_days: int = Field(90, ge=0, description="Messages that were sent. Older ones can't be changed any more.")
    events_days: int = Field(365, ge=0, description="Earlier states of votes, and which notifications were sent.")
    plugin_failures_days: int = Field(30, ge=0, description="Failures of plugins, with their tracebacks.")
    audit_days: int = Field(1095, ge=0, description="The audit log.")
    round_work_days: int = Field(7, ge=0, description="Working files of rounds that ended, such as checkpoints.")
    answer_cache_days: int = Field(30, ge=0, description="Answers that evaluations reuse.")
