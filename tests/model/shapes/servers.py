# ruff: noqa: E501 - a shape a case
"""Servers that anybody runs: vLLM, SGLang, TGI, llama.cpp, Ollama, LM Studio; and what stands before all of them."""

from tests.model.shapes.shape import LS, Shape, call, counts, delta, encoded, last, said, stream, whole

READ = '{"path": "x"}'

SHAPES = (
    # --- vLLM
    Shape("vLLM: whole, null in its own fields", "docs.vllm.ai (openai_compatible_server)",
          whole(said("Hi", reasoning="Well.", reasoning_content="Well.", refusal=None, annotations=None, audio=None, function_call=None, tool_calls=[]), usage=counts(12, 5, prompt_tokens_details=None),
                choice_stop_reason=None, choice_token_ids=None, prompt_logprobs=None, kv_transfer_params=None),
          content="Hi", reasoning="Well.", usage=(12, 0, 5, 0), carried=("reasoning_content",)),
    Shape("vLLM: pieces of a call with an empty id", "InternLM/lmdeploy #3412 (vLLM's part)",
          stream(delta(role="assistant", content=""), delta(tool_calls=[call("chatcmpl-tool-9", "bash", "", index=0)]), delta(tool_calls=[call("", None, LS[:9], index=0)]), delta(tool_calls=[call("", None, LS[9:], index=0)]),
                 delta("tool_calls", {"stop_reason": None}, content=""), last(counts(30, 9))),
          streams=True, calls=(("chatcmpl-tool-9", "bash", LS),), finish="tool_calls", usage=(30, 0, 9, 0)),
    Shape("vLLM: a name in pieces", "continuedev/continue #5849",
          stream(delta(tool_calls=[call("c1", "ba", None, index=0)]), delta(tool_calls=[call(None, "sh", None, index=0)]), delta(tool_calls=[call(None, None, LS, index=0)]), delta("tool_calls")),
          streams=True, calls=(("c1", "bash", LS),), finish="tool_calls"),
    Shape("vLLM: an error in the stream, then [DONE]", "BerriAI/litellm #40578",
          stream({"error": {"message": "The engine's queue is full", "type": "ServiceUnavailableError", "param": None, "code": 503}}), streams=True, kind="transient", says="queue is full"),
    Shape("vLLM: aborted", "docs.vllm.ai (finish reasons)", whole(said("Half"), "abort"), kind="transient"),
    Shape("vLLM: too long", "vllm-project/vllm (serving_engine)",
          encoded({"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages, Please reduce the length of the messages.", "type": "BadRequestError", "param": None, "code": 400}), status=400, kind="overflow"),
    Shape("vLLM: no parser for calls", "docs.vllm.ai/en/latest/features/tool_calling",
          encoded({"object": "error", "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', "type": "BadRequestError", "param": None, "code": 400}), status=400, kind="request"),
    Shape("vLLM: two system messages", "can1357/oh-my-pi #958", encoded({"error": {"message": "System message must be at the beginning.", "type": "BadRequestError", "param": None, "code": 400}}), status=400, kind="request"),
    # --- SGLang
    Shape("SGLang: every call with index 0, ids repeated", "InternLM/lmdeploy #3412 (SGLang's part)",
          stream(delta(tool_calls=[call("0", "bash", "", index=0)]), delta(tool_calls=[call("0", None, LS, index=0)]), delta(tool_calls=[call("1", "read_file", "", index=0)]), delta(tool_calls=[call("1", None, READ, index=0)]), delta("tool_calls")),
          streams=True, calls=(("0", "bash", LS), ("1", "read_file", READ)), finish="tool_calls"),
    Shape("SGLang: whole, what stopped it beside", "docs.sglang.ai/basic_usage/openai_api_completions",
          whole(said("Hi", reasoning_content=None, tool_calls=None), usage=counts(9, 3, prompt_tokens_details=None, reasoning_tokens=0), choice_matched_stop=151645), content="Hi", usage=(9, 0, 3, 0)),
    # --- TGI
    Shape("TGI: arguments as an object, the id 0", "huggingface/text-generation-inference #2136",
          whole(said(None, tool_calls=[call("0", "bash", {"command": "ls"}) | {"function": {"description": None, "name": "bash", "arguments": {"command": "ls"}}}]), "stop", counts(20, 9)),
          calls=(("0", "bash", LS),), usage=(20, 0, 9, 0)),
    Shape("TGI: ends at the end of its sequence", "huggingface/text-generation-inference (finish reasons)", stream(delta(role="assistant", content="Hi"), delta("eos_token", content=""), last(counts(4, 2))), streams=True, content="Hi", usage=(4, 0, 2, 0)),
    Shape("TGI: an error in the stream", "huggingface/text-generation-inference #2668", stream({"error": {"message": "Request failed during generation: out of memory", "http_status_code": 424}}, done=False), streams=True, kind="request"),
    Shape("TGI: overloaded", "huggingface/text-generation-inference (validation)", encoded({"error": "Model is overloaded", "error_type": "overloaded"}), status=429, kind="rate"),
    # --- llama.cpp
    Shape("llama.cpp: whole, with timings, no id", "ggml-org/llama.cpp (server README)",
          whole(said("", tool_calls=[call("")]), "tool_calls", counts(60, 12), timings={"predicted_per_second": 40.0}), calls=((None, "bash", LS),), finish="tool_calls", usage=(60, 0, 12, 0)),
    Shape("llama.cpp: a 200 whose stream says no", "ggml-org/llama.cpp #14566",
          stream({"error": {"code": 400, "message": "the request exceeds the available context size. try increasing the context size or enable context shift", "type": "invalid_request_error"}}, done=False), streams=True, kind="overflow"),
    Shape("llama.cpp: a line that begins with `error:`", "ggml-org/llama.cpp (server, 2024)", b'error: {"code":500,"message":"context shift is disabled","type":"server_error"}\n\n', streams=True, kind="transient"),
    Shape("llama.cpp: it is loading", "ggml-org/llama.cpp (server README)", encoded({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}), status=503, kind="transient"),
    Shape("llama.cpp: the template's order, as a 500", "ggml-org/llama.cpp #19851",
          encoded({"error": {"code": 500, "message": "Jinja Exception: After the optional system message, conversation roles must alternate user and assistant roles except for tool calls and results.", "type": "server_error"}}), status=500, kind="transient"),
    # --- Ollama
    Shape("Ollama: two calls, both with index 0", "ollama/ollama #15457",
          stream(delta(role="assistant", content="", tool_calls=[call("call_1", index=0)]), delta(role="assistant", content="", tool_calls=[call("call_2", "read_file", READ, index=0)]), delta("tool_calls", role="assistant", content="")),
          streams=True, calls=(("call_1", "bash", LS), ("call_2", "read_file", READ)), finish="tool_calls"),
    Shape("Ollama: calls without index, ended as text", "ollama/ollama #7881", stream(delta(role="assistant", content="", tool_calls=[call("call_1")]), delta("stop", role="assistant", content="")), streams=True, calls=(("call_1", "bash", LS),)),
    Shape("Ollama: thoughts under `reasoning`", "docs.ollama.com/api/openai-compatibility", stream(delta(role="assistant", content="", reasoning="Well."), delta(content="Hi"), delta("stop")), streams=True, content="Hi", reasoning="Well.", carried=("reasoning",)),
    Shape("Ollama: no such model", "docs.ollama.com/api/openai-compatibility", encoded({"error": {"message": "model 'x' not found", "type": "not_found_error", "param": None, "code": None}}), status=404, kind="model"),
    Shape("Ollama: no tools", "ollama/ollama (openai.go)", encoded({"error": {"message": "registry.ollama.ai/library/gemma does not support tools", "type": "api_error", "param": None, "code": None}}), status=400, kind="request"),
    # --- LM Studio
    Shape("LM Studio: an error as an event of its own", "zendev-sh/goai #110", stream(delta(content="Hel"), 'event: error\ndata: {"error": {"message": "Compute error."}, "message": "Compute error."}', done=False), streams=True, kind="transient", says="Compute error"),
    Shape("LM Studio: null is no text", "lmstudio-ai/lmstudio-bug-tracker #261", encoded({"error": "Invalid 'content': 'content' field must be a string or an array of objects."}), status=400, kind="request"),
    Shape("LM Studio: whole, statistics beside", "lmstudio.ai/docs (openai compatibility)", whole(said("Hi", tool_calls=[]), usage=counts(3, 2), stats={}), content="Hi", usage=(3, 0, 2, 0)),
    # --- what any of them may do
    Shape("any: CRLF, no space, a comment, several data lines", "html.spec.whatwg.org, section 9.2.6",
          stream(":ping", 'data:{"choices": [{"index": 0,\r\ndata: "delta": {"content": "Hi"}}]}', delta("stop"), data="data:", end="\r\n\r\n"), streams=True, content="Hi"),
    Shape("any: a byte order mark", "html.spec.whatwg.org, section 9.2.6", b"\xef\xbb\xbf" + stream(delta(content="Hi"), delta("stop")), streams=True, content="Hi"),
    Shape("any: a byte order mark, whole", "RFC 8259, section 8.1", b"\xef\xbb\xbf" + whole(said("Hi")), content="Hi"),
    Shape("any: one completion where a stream was wanted", "gateways without streaming", whole(said("Hi"), usage=counts(3, 2)), streams=True, content="Hi", usage=(3, 0, 2, 0), headers={"content-type": "text/event-stream"}),
    Shape("any: no [DONE]", "gateways", stream(delta(content="Hi"), delta("stop"), done=False), streams=True, content="Hi"),
    Shape("any: [DONE] without a finish reason", "gateways", stream(delta(content="Hi"), delta()), streams=True, content="Hi"),
    Shape("any: pings between", "gateways", stream("event: ping\ndata: {}", delta(content="Hi"), "event: heartbeat\ndata: {}", delta("stop")), streams=True, content="Hi"),
    Shape("any: a chunk that is nothing but an error's fields", "NousResearch/hermes-agent #65738",
          stream({"choices": None, "error_type": "BadRequestError", "error_message": "This model's maximum context length is 4096 tokens"}), streams=True, kind="overflow"),
    Shape("any: a broken-off stream", "gateways", stream(delta(content="Half a"), done=False), streams=True, kind="transient"),
    Shape("any: a proxy's page", "nginx", b"<html><head><title>502 Bad Gateway</title></head><body><hr>nginx</body></html>", status=502, kind="transient", says="502 Bad Gateway", headers={"content-type": "text/html"}),
    Shape("any: a login page with 200", "captive portals", b"<!DOCTYPE html><html>Welcome to the hotel</html>", kind="transient", headers={"content-type": "text/html"}),
    Shape("any: the same where a stream was wanted", "captive portals", b"<!DOCTYPE html><html>Welcome to the hotel</html>", streams=True, kind="transient", headers={"content-type": "text/html"}),
    Shape("any: nothing", "load balancers", b"", kind="transient"),
    Shape("any: the old function call", "platform.openai.com/docs/api-reference/chat (deprecated)", whole(said(None, function_call={"name": "bash", "arguments": LS}), "function_call"), calls=((None, "bash", LS),), finish="tool_calls"),
    Shape("any: arguments that are encoded twice", "gateways (agentbatch issue 15, P14)", whole(said(None, tool_calls=[call("a", "bash", '"{\\"command\\": \\"ls\\"}"')]), "tool_calls"), calls=(("a", "bash", LS),), finish="tool_calls"),
    Shape("any: the same id twice", "gateways", whole(said(None, tool_calls=[call("a"), call("a", "read_file", READ)]), "tool_calls"), calls=(("a", "bash", LS), (None, "read_file", READ)), finish="tool_calls"),
)  # fmt: skip
