"""Batches of plain model requests: one prompt, one answer, thousands of them."""

from agentbatch.model.limits import EndpointLimits as RateLimiter
from agentbatch.model.retry import RetryPolicy
from agentbatch.requests.adaptive import AdaptiveConcurrency
from agentbatch.requests.batch_run import BatchRun, Estimate
from agentbatch.requests.cache import ResponseCache
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.progress import BatchProgress, ProgressLogger, ProgressTracker
from agentbatch.requests.provider_options import ProviderOptions
from agentbatch.requests.request import BatchRequest
from agentbatch.requests.result import BatchError, BatchResult
from agentbatch.requests.stats import BatchStats

__all__ = [
    "AdaptiveConcurrency",
    "BatchError",
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
