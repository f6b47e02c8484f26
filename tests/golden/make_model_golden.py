#!/usr/bin/env python3
"""Makes tests/golden/models: tiny random models by transformers, prefixes by PEFT, their outputs.

See README.md beside this file for what lies in each folder. Everything follows from the seeds.
"""

import argparse
import json
import pathlib
import shutil

import torch
from golden_common import (
    forward,
    greedy,
    new_cache,
    peft_generate,
    peft_model,
    peft_prefix,
    save_peft,
)
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    Qwen2Config,
)

MERGES = ["h e", "Ġ t", "i n", "Ġt he", "e r", "a n", "Ġ a", "Ġa n", "Ġan d", "o n", "in g", "Ġ Ġ"]
END = "<|endoftext|>"
VOCABULARY = 256 + len(MERGES) + 1  # 269: not a multiple of any vector's width
PROMPT_LENGTHS = [1, 7, 33, 60]
KEPT_LOGITS = 8  # of a long prompt, only the last positions are kept
STEPS = 64
PREFIX_POSITIONS = 5  # 5 + 60 + 63 positions: the longest case ends at the models' last one, 127
MIN_GAP = 5e-3
MIN_DISTINCT = 20  # tokens in a continuation: it must not circle in a small loop

SHARED = dict(vocab_size=VOCABULARY, bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1)
LLAMA = dict(
    SHARED,
    num_hidden_layers=2,
    max_position_embeddings=128,
    hidden_size=32,
    intermediate_size=32,
    num_attention_heads=4,
    num_key_value_heads=2,
    tie_word_embeddings=True,
)

# What each model is there to show is in README.md. `dtype`: of the stored weights.
MODELS = {
    "gpt2_tiny": dict(
        config=GPT2Config(**SHARED, n_layer=2, n_embd=32, n_head=4, n_positions=128, n_inner=72),
        dtype=torch.float16,
    ),
    "llama_tiny": dict(
        config=LlamaConfig(
            **(LLAMA | dict(hidden_size=48, num_attention_heads=6, intermediate_size=16)),
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        untied=True,
        dtype=torch.bfloat16,
        peft=dict(prefix_projection=True, encoder_hidden_size=24),
    ),
    "llama3_tiny": dict(
        config=LlamaConfig(
            **LLAMA,
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 100.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        ),
        shard_size="60KB",
    ),
    "llama_linear_tiny": dict(
        config=LlamaConfig(
            **(LLAMA | dict(num_key_value_heads=4, intermediate_size=24)),
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
        ),
        old_config=True,
    ),
    "qwen2_tiny": dict(
        config=Qwen2Config(
            **(LLAMA | dict(num_key_value_heads=1)),
            rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        ),
    ),
}


def make_tokenizer():
    """Byte-level BPE: GPT-2's alphabet of 256 bytes, a few merges, one special token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + [merge.replace(" ", "") for merge in MERGES] + [END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    assert len(vocabulary) == VOCABULARY
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in MERGES]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    text = "the hen and Ünïcödé  in 123" + END
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    return tokenizer


def fill(model, dtype, generator):
    """Random weights, larger than a model's usual ones, so that logits lie well apart."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("wpe.weight"):
                value.copy_(noise)  # else GPT-2 soon says one word for ever
            elif value.dim() > 1:
                value.copy_(0.3 * noise)
            elif name.endswith("bias"):
                value.copy_(0.2 * noise)
            else:
                value.copy_(1 + 0.2 * noise)
            value.copy_(value.to(dtype).float())


def fill_prefix(peft, generator):
    encoder = peft.prompt_encoder["default"]
    with torch.no_grad():
        for value in encoder.parameters():
            value.copy_(0.5 * torch.randn(value.shape, generator=generator))


def candidate(spec, seed):
    """(model, PEFT's model around it, prompts), all from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(spec["config"], attn_implementation="eager").eval()
    fill(model, spec.get("dtype", torch.float32), generator)
    prompts = [
        torch.randint(0, VOCABULARY - 1, (length,), generator=generator).tolist()
        for length in PROMPT_LENGTHS
    ]
    peft = peft_model(model, PREFIX_POSITIONS, **spec.get("peft", {}))
    fill_prefix(peft, generator)
    return model, peft, prompts


def run(model, prompts, prefix):
    """The golden tensors of one model, or None when two logits come too close."""
    tensors = {}
    for index, prompt in enumerate(prompts):
        tensors[f"case{index}.prompt"] = torch.tensor(prompt, dtype=torch.int32)
        for kind, values in [("", None), ("prefix_", prefix)]:
            logits, ids, gaps = greedy(model, prompt, values, STEPS)
            if min(gaps) < MIN_GAP or len(set(ids)) < MIN_DISTINCT:
                return None
            name = f"case{index}.{kind}"
            tensors[name + "logits"] = logits[-KEPT_LOGITS:].contiguous()
            tensors[name + "greedy"] = torch.tensor(ids, dtype=torch.int32)
            tensors[name + "gaps"] = torch.tensor(gaps)
        shift = tensors[f"case{index}.logits"] - tensors[f"case{index}.prefix_logits"]
        if shift.abs().max() < 0.1:
            return None
    return tensors


def choose(spec):
    for seed in range(1, 2000):
        model, peft, prompts = candidate(spec, seed)
        tensors = run(model, prompts, peft_prefix(peft))
        if tensors is not None:
            return seed, model, peft, prompts, tensors
    raise SystemExit("no seed fits")


def write_old_config(path):
    """The form before transformers 5: rope_theta, rope_scaling and torch_dtype, no head_dim."""
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["torch_dtype"] = config.pop("dtype")
    config["rope_theta"] = rope["rope_theta"]
    config["rope_scaling"] = {"type": rope["rope_type"], "factor": rope["factor"]}
    del config["head_dim"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def save_model(model, spec, folder):
    saved = AutoModelForCausalLM.from_config(spec["config"]).to(spec.get("dtype", torch.float32))
    saved.load_state_dict(model.state_dict())
    saved.save_pretrained(folder, max_shard_size=spec.get("shard_size", "1GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if spec.get("old_config"):
        write_old_config(folder / "config.json")
    shards = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(shards) == (2 if "shard_size" in spec else 1), shards


def check_positions(model, prompt, prefix, expected):
    """A reader that starts the real tokens at 0 instead of P must fail the comparison."""
    cache, start = new_cache(model, prefix)
    logits = model(
        input_ids=torch.tensor([prompt]),
        past_key_values=cache,
        position_ids=torch.arange(len(prompt)).unsqueeze(0),
        attention_mask=torch.ones(1, start + len(prompt), dtype=torch.long),
    ).logits[0, -KEPT_LOGITS:]
    assert (logits - expected).abs().max() > 0.05


def check(folder):
    """Everything again from the files: PEFT's forward and generate, and f64, against the golden."""
    golden = load_file(folder / "golden.safetensors")
    base = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    prefix = load_file(folder / "peft" / "adapter_model.safetensors")["prompt_embeddings"]
    worst, exact = 0.0, 0.0
    for index in range(len(PROMPT_LENGTHS)):
        prompt = golden[f"case{index}.prompt"].tolist()
        for kind, values in [("", None), ("prefix_", prefix)]:
            ids = golden[f"case{index}.{kind}greedy"].tolist()
            expected = golden[f"case{index}.{kind}logits"]
            model = base
            if values is not None:
                model = PeftModel.from_pretrained(
                    AutoModelForCausalLM.from_pretrained(
                        folder, dtype=torch.float32, attn_implementation="eager"
                    ),
                    folder / "peft",
                ).eval()
                assert peft_generate(model, prompt, STEPS) == ids, (folder, index, "generate")
                check_positions(base, prompt, values, expected)
            # PEFT's forward over prompt and continuation at once, with positions of its own making.
            whole = model(input_ids=torch.tensor([prompt + ids[:-1]])).logits[0]
            got = whole[: len(prompt)][-KEPT_LOGITS:]
            worst = max(worst, (got - expected).abs().max().item())
            assert whole[len(prompt) - 1 :].argmax(-1).tolist() == ids, (folder, index, "forward")
            double = base.double()
            cache, start = new_cache(double, None if values is None else values.double())
            whole = forward(double, prompt + ids[:-1], cache, start)
            assert whole[len(prompt) - 1 :].argmax(-1).tolist() == ids, (folder, index, "f64")
            got = whole[: len(prompt)][-KEPT_LOGITS:]
            exact = max(exact, (got - expected.double()).abs().max().item())
            base.float()
    assert worst < 1e-4 and exact < 1e-4, (worst, exact)
    return worst, exact


def check_rope(model, spec):
    """Loaded rotation equals the intended; Llama 3's keeps, blends and divides frequencies."""
    if spec["config"].model_type == "gpt2":
        return
    fresh = AutoModelForCausalLM.from_config(spec["config"])
    frequencies = model.model.rotary_emb.inv_freq
    assert torch.equal(frequencies, fresh.model.rotary_emb.inv_freq)
    rope = spec["config"].rope_parameters
    if rope["rope_type"] == "llama3":
        plain = rope["rope_theta"] ** (-torch.arange(0, 8, 2) / 8.0)
        ratio = plain / frequencies
        assert ratio[0] == 1 and 1.01 < ratio[1] < 7.9
        assert torch.allclose(ratio[2:], torch.tensor(8.0))


def make(name, out):
    spec, folder = MODELS[name], out / name
    if spec.get("untied"):
        spec["config"].tie_word_embeddings = False
    seed, model, peft, prompts, tensors = choose(spec)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_model(model, spec, folder)
    make_tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    save_peft(peft, folder / "peft", name)
    saved = load_file(folder / "peft" / "adapter_model.safetensors")
    assert list(saved) == ["prompt_embeddings"]
    assert torch.equal(saved["prompt_embeddings"], peft_prefix(peft).detach())
    loaded = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    check_rope(loaded, spec)
    again = run(loaded, prompts, saved["prompt_embeddings"])
    # Not bit for bit: a sum's order can depend on how the loaded weights are aligned.
    assert all(torch.allclose(again[key], tensors[key], atol=1e-4) for key in tensors)
    smallest = min(tensors[key].min().item() for key in tensors if key.endswith("gaps"))
    save_file(
        {key: tensors[key].detach() for key in sorted(tensors)},
        folder / "golden.safetensors",
        metadata={"seed": str(seed), "smallest_gap": f"{smallest:.4f}"},
    )
    worst, exact = check(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    spread = tensors["case3.logits"].std().item()
    print(
        f"{name}: seed {seed}, smallest gap {smallest:.4f}, logits' deviation {spread:.1f}, "
        f"{size} bytes; PEFT at once within {worst:.1e}, f64 within {exact:.1e}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MODELS))
    here = pathlib.Path(__file__).parent
    parser.add_argument("--out", type=pathlib.Path, default=here / "models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for name in arguments.names or MODELS:
        make(name, arguments.out)


if __name__ == "__main__":
    main()
