"""Writes tests/golden/gguf/: small GGUF files, and what the gguf package reads from them.

types.gguf, types.safetensors   a tensor of every type that prefixd reads, and its values as F32
llama.gguf, llama/              the same small Llama as GGUF and as a Hugging Face directory

Run it with the packages of requirements.txt: python tests/golden/make_gguf_golden.py
"""

import json
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent / "gguf"
TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q8_0]

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD = 2, 16, 4, 2, 8, 24
ROPE_BASE, ROPE_FACTOR, EPSILON, POSITIONS = 50000.0, 2.0, 1e-6, 64
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_types(random):
    writer = gguf.GGUFWriter(FOLDER / "types.gguf", "llama")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -30000)
    writer.add_uint32("test.uint32", 4000000000)
    writer.add_int32("test.int32", -2000000000)
    writer.add_uint64("test.uint64", 2**63)
    writer.add_int64("test.int64", -(2**62))
    writer.add_float32("test.float32", 0.25)
    writer.add_float64("test.float64", -1.5e200)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "grüße")
    writer.add_array("test.strings", ["", "a", "bc"])
    writer.add_array("test.integers", [3, -1, 2])
    expected = {}
    for type in TYPES:
        values = random.standard_normal((3, 96)).astype(np.float32)
        values[1] *= 1e-5  # subnormal scales
        values[2, :32] = 0
        stored = gguf.quants.quantize(values, type)
        writer.add_tensor(type.name, stored, raw_dtype=type)
        expected[type.name] = gguf.quants.dequantize(stored, type)
    write(writer)
    save_file(expected, FOLDER / "types.safetensors", metadata={"made by": "gguf"})


def llama_tensors(random, vocabulary):
    """Hugging Face's names, GGUF's names and values: F16 matrices, F32 norms."""

    def matrix(rows, columns):
        return random.standard_normal((rows, columns)).astype(np.float16)

    def norm():
        return random.uniform(0.5, 1.5, HIDDEN).astype(np.float32)

    yield "model.embed_tokens.weight", "token_embd.weight", matrix(vocabulary, HIDDEN)
    yield "model.norm.weight", "output_norm.weight", norm()
    for layer in range(LAYERS):
        theirs, ours = f"model.layers.{layer}.", f"blk.{layer}."
        queries, keys = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
        for name, gguf_name, value in [
            ("input_layernorm", "attn_norm", norm()),
            ("post_attention_layernorm", "ffn_norm", norm()),
            ("self_attn.q_proj", "attn_q", matrix(queries, HIDDEN)),
            ("self_attn.k_proj", "attn_k", matrix(keys, HIDDEN)),
            ("self_attn.v_proj", "attn_v", matrix(keys, HIDDEN)),
            ("self_attn.o_proj", "attn_output", matrix(HIDDEN, queries)),
            ("mlp.gate_proj", "ffn_gate", matrix(FEED_FORWARD, HIDDEN)),
            ("mlp.up_proj", "ffn_up", matrix(FEED_FORWARD, HIDDEN)),
            ("mlp.down_proj", "ffn_down", matrix(HIDDEN, FEED_FORWARD)),
        ]:
            yield f"{theirs}{name}.weight", f"{ours}{gguf_name}.weight", value
        for name, gguf_name, rows in [
            ("q_proj", "attn_q", queries),
            ("k_proj", "attn_k", keys),
            ("v_proj", "attn_v", keys),
        ]:
            bias = random.standard_normal(rows).astype(np.float32)
            yield f"{theirs}self_attn.{name}.bias", f"{ours}{gguf_name}.bias", bias


def interleaved(values, heads):
    """Rows j and j + head_dim / 2 of each head side by side: GGUF's order of Llama's Q and K."""
    parts = values.reshape(heads, 2, HEAD_DIM // 2, *values.shape[1:])
    return parts.swapaxes(1, 2).reshape(values.shape)


def byte_alphabet():
    """GPT-2's printable characters for the 256 bytes, in the order of its vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def write_llama(random):
    tokens = byte_alphabet() + ["he", "ll"] + SPECIAL
    merges = ["h e", "l l"]
    tensors = list(llama_tensors(random, len(tokens)))
    end = tokens.index("<|im_end|>")

    writer = gguf.GGUFWriter(FOLDER / "llama.gguf", "llama")
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(ROPE_FACTOR)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - len(SPECIAL)) + [3] * len(SPECIAL))
    writer.add_token_merges(merges)
    writer.add_eos_token_id(end)
    for _, name, values in tensors:
        if ".attn_q." in name:
            values = interleaved(values, HEADS)
        if ".attn_k." in name:
            values = interleaved(values, KV_HEADS)
        writer.add_tensor(name, np.ascontiguousarray(values))
    write(writer)

    folder = FOLDER / "llama"
    folder.mkdir(exist_ok=True)
    save_file({name: values for name, _, values in tensors}, folder / "model.safetensors")
    write_json(folder / "config.json", {
        "model_type": "llama",
        "num_hidden_layers": LAYERS,
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": EPSILON,
        "rope_parameters": {
            "rope_type": "linear", "rope_theta": ROPE_BASE, "factor": ROPE_FACTOR},
        "hidden_act": "silu",
        "attention_bias": True,
        "tie_word_embeddings": True,
        "vocab_size": len(tokens),
        "bos_token_id": None,
        "eos_token_id": end,
    })
    write_json(folder / "generation_config.json",
               {"eos_token_id": [tokens.index("<|endoftext|>"), end]})
    write_json(folder / "tokenizer.json", {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": tokens.index(text), "content": text, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True} for text in SPECIAL],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                          "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: id for id, token in enumerate(tokens)},
                  "merges": [merge.split(" ") for merge in merges]},
    })


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_types(np.random.default_rng(1))
    write_llama(np.random.default_rng(2))
