#!/usr/bin/env python3
"""Makes tests/golden/smollm2: a PEFT prefix for SmolLM2-135M-Instruct, texts with and without it.

Random keys and values would ruin the text, so the prefix is what the model itself computes for an
instruction: PEFT then does what a chat with that instruction in front would do.

usage: make_smollm2_golden.py SmolLM2-135M-Instruct.Q4_1.gguf
"""

import argparse
import json
import pathlib

import numpy
import torch
from gguf import GGUFReader, dequantize
from golden_common import forward, greedy, new_cache, peft_generate, peft_model, save_peft
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

INSTRUCTION = (
    "<|im_start|>system\nYou are an old sailor. Answer with a story of the sea.<|im_end|>\n"
)
PROMPTS = [
    "What do plants need to grow?",
    "Name a friendly animal and say why children like it.",
    "What is the capital of France?",
    "What is a good name for a dog?",
    "Where do birds sleep?",
    "What is bread made of?",
    "Who lives in a castle?",
    "Why do people sing?",
    "What can I see in Rome?",
    "How do I write a letter to a friend?",
    "What is the best month for a journey?",
]
CASES = 4
STEPS = 48
MIN_GAP = 0.02
MIN_DISTINCT = 24  # tokens in a text


def tokenizer_of(reader):
    """The tokenizer that the file describes: digits one by one, then GPT-2's words, then merges."""
    field = lambda name: reader.fields["tokenizer.ggml." + name].contents()
    tokens, types = field("tokens"), field("token_type")
    assert field("model") == "gpt2" and field("pre") == "smollm"
    merges = [tuple(merge.split(" ")) for merge in field("merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return tokenizer


def check_permutation(model, reader):
    """Q and K are in Hugging Face's order: undo GGUF's interleaving by hand and compare."""
    config, tensors = model.config, {tensor.name: tensor for tensor in reader.tensors}
    for layer in (0, config.num_hidden_layers - 1):
        attention = model.model.layers[layer].self_attn
        for name, loaded, heads in [
            ("q", attention.q_proj, config.num_attention_heads),
            ("k", attention.k_proj, config.num_key_value_heads),
        ]:
            tensor = tensors[f"blk.{layer}.attn_{name}.weight"]
            stored = dequantize(tensor.data, tensor.tensor_type)
            pairs = stored.reshape(heads, -1, 2, stored.shape[-1])
            halves = numpy.concatenate([pairs[:, :, 0], pairs[:, :, 1]], axis=1)
            expected = torch.from_numpy(halves.reshape(stored.shape).copy())
            assert torch.equal(loaded.weight, expected) and not torch.equal(
                loaded.weight, torch.from_numpy(stored.copy())
            )


def capture(model, ids):
    """The keys and values of `ids` in PEFT's layout, rounded to float16's values."""
    cache, _ = new_cache(model, None)
    forward(model, ids, cache, 0)
    blocks = [block for layer in cache.layers for block in (layer.keys[0], layer.values[0])]
    prefix = torch.stack(blocks).permute(2, 0, 1, 3).reshape(len(ids), -1)
    assert prefix.abs().max() < 60000
    return prefix.half().float()


def safe_tokens(gaps):
    """How many leading tokens have gaps of at least MIN_GAP."""
    for index, value in enumerate(gaps):
        if value < MIN_GAP:
            return index
    return len(gaps)


def continuation(model, tokenizer, ids, prefix):
    _, greedy_ids, gaps = greedy(model, ids, prefix, STEPS)
    return {
        "greedy_ids": greedy_ids,
        "greedy_text": tokenizer.decode(greedy_ids, skip_special_tokens=False),
        "gaps": [round(value, 4) for value in gaps],
        "safe_tokens": safe_tokens(gaps),
    }


def make_case(model, tokenizer, question, prefix):
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer.encode(text).ids
    return {
        "prompt": text,
        "prompt_ids": ids,
        "plain": continuation(model, tokenizer, ids, None),
        "prefix": continuation(model, tokenizer, ids, prefix),
    }


def pick(cases):
    """The cases whose texts stay safe the longest and do not circle, in the order of PROMPTS."""

    def merit(case):
        texts = [case["plain"], case["prefix"]]
        varied = all(len(set(text["greedy_ids"])) >= MIN_DISTINCT for text in texts)
        return varied, min(text["safe_tokens"] for text in texts)

    best = sorted(cases, key=merit, reverse=True)[:CASES]
    return [case for case in cases if case in best]


def store_as_float16(path):
    tensors = load_file(path)
    halves = {name: value.half() for name, value in tensors.items()}
    assert all(torch.equal(halves[name].float(), tensors[name]) for name in tensors)
    save_file(halves, path, metadata={"format": "pt"})


def check(model, cases, folder):
    """PEFT, reading what was saved, says the same, step by step and over the whole text at once."""
    peft = PeftModel.from_pretrained(model, folder / "peft").eval()
    for case in cases:
        ids, expected = case["prompt_ids"], case["prefix"]["greedy_ids"]
        assert peft_generate(peft, ids, STEPS) == expected
        whole = peft(input_ids=torch.tensor([ids + expected[:-1]])).logits[0]
        assert whole[len(ids) - 1 :].argmax(-1).tolist() == expected


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=pathlib.Path)
    here = pathlib.Path(__file__).parent
    parser.add_argument("--out", type=pathlib.Path, default=here / "smollm2")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    reader = GGUFReader(arguments.gguf)
    tokenizer = tokenizer_of(reader)
    model = AutoModelForCausalLM.from_pretrained(
        arguments.gguf.parent,
        gguf_file=arguments.gguf.name,
        dtype=torch.float32,
        attn_implementation="eager",
    ).eval()
    check_permutation(model, reader)

    prefix_ids = tokenizer.encode(INSTRUCTION).ids
    prefix = capture(model, prefix_ids)
    cases = pick([make_case(model, tokenizer, question, prefix) for question in PROMPTS])

    peft = peft_model(model, len(prefix_ids))
    peft.prompt_encoder["default"].embedding.weight.copy_(prefix)
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_peft(peft, arguments.out / "peft", "SmolLM2-135M-Instruct")
    store_as_float16(arguments.out / "peft" / "adapter_model.safetensors")
    check(peft.get_base_model(), cases, arguments.out)

    golden = {
        "model": arguments.gguf.name,
        "prefix_text": INSTRUCTION,
        "prefix_ids": prefix_ids,
        "min_gap": MIN_GAP,
        "cases": cases,
    }
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    (arguments.out / "golden.json").write_text(text + "\n")
    for case in cases:
        for kind in ("plain", "prefix"):
            result = case[kind]
            print(kind, result["safe_tokens"], min(result["gaps"]), repr(result["greedy_text"]))


if __name__ == "__main__":
    main()
