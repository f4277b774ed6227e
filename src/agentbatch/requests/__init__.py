"""Batches of plain model requests: one prompt, one answer, thousands of them."""

from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits as RateLimiter
from agentbatch.requests.batch.adaptive import AdaptiveConcurrency
from agentbatch.requests.journal.cache import ResponseCache
from agentbatch.requests.options import BatchOptions, ProviderOptions
from agentbatch.requests.processor import BatchProcessor, BatchRun, Estimate
from agentbatch.requests.report.progress import BatchProgress, ProgressLogger, ProgressTracker
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult

__all__ = [
    "AdaptiveConcurrency",
    "BatchError",
    "BatchOptions",
    "BatchProcessor",
    "BatchProgress",
    "BatchRequest",
    "BatchResult",
    "BatchRun",
    "BatchStats",
    "Estimate",
    "ProgressLogger",
    "ProgressTracker",
    "ProviderOptions",
    "RateLimiter",
    "ResponseCache",
    "RetryPolicy",
]
