"""What the golden scripts share: prefixes as caches, a greedy loop that sets positions, PEFT."""

import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries below are imported

import torch
from peft import PrefixTuningConfig, get_peft_model
from transformers import DynamicCache
from transformers.utils import logging

logging.disable_progress_bar()


def new_cache(model, prefix):
    """A cache that holds `prefix` (or nothing, for None), and the number of its positions.

    PEFT's matrix [P, 2 L kv_heads head_dim] has layer l's keys at block 2 l, its values at 2 l + 1.
    """
    if prefix is None:
        return DynamicCache(), 0
    config = model.config
    kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    layers, positions = config.num_hidden_layers, prefix.shape[0]
    blocks = prefix.view(positions, 2 * layers, kv_heads, -1).permute(1, 2, 0, 3).unsqueeze(1)
    pairs = [(blocks[2 * l].clone(), blocks[2 * l + 1].clone()) for l in range(layers)]
    return DynamicCache(pairs), positions


def forward(model, ids, cache, start):
    """Logits [len(ids), vocabulary] of `ids` at positions start, start + 1, …; `cache` grows."""
    positions = torch.arange(start, start + len(ids)).unsqueeze(0)
    return model(
        input_ids=torch.tensor([ids]),
        past_key_values=cache,
        position_ids=positions,
        attention_mask=torch.ones(1, start + len(ids), dtype=torch.long),
        use_cache=True,
    ).logits[0]


def gap(logits):
    """How far the best logit is above the second."""
    first, second = logits.topk(2).values
    return (first - second).item()


def greedy(model, prompt, prefix, steps):
    """(logits of the prompt's positions, ids of the continuation, gaps), the end token ignored.

    The real tokens start at the position after the prefix's last, as PEFT has it.
    """
    cache, start = new_cache(model, prefix)
    prompt_logits = forward(model, prompt, cache, start)
    last, ids, gaps = prompt_logits[-1], [], []
    start += len(prompt)
    for step in range(steps):
        ids.append(last.argmax().item())
        gaps.append(gap(last))
        if step + 1 < steps:
            last = forward(model, [ids[-1]], cache, start)[-1]
            start += 1
    return prompt_logits, ids, gaps


def peft_model(model, positions, **options):
    return get_peft_model(
        model, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=positions, **options)
    ).eval()


def peft_prefix(peft):
    """The prefix that PEFT saves: [P, 2 L kv_heads head_dim]."""
    return peft.get_prompt_embedding_to_save("default")


def peft_generate(peft, prompt, steps):
    ids = torch.tensor([prompt])
    peft.generation_config.eos_token_id = None
    out = peft.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=steps,
        do_sample=False,
        use_cache=True,
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[0, len(prompt) :].tolist()


def save_peft(peft, folder, model_name):
    """PEFT's own files, without its model card and without a path of this machine."""
    folder = pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    peft.peft_config["default"].base_model_name_or_path = model_name
    peft.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == model_name
    assert config["peft_type"] == "PREFIX_TUNING"
