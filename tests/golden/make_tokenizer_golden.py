#!/usr/bin/env python3
"""Makes tests/golden/tokenizer: texts and the ids that Hugging Face's tokenizers gives them.

    make_tokenizer_golden.py SmolLM2-135M-Instruct.Q4_1.gguf [output folder]

A .jsonl file holds one array for each text: [text, ids] or, where they differ because special tokens
are read as ordinary text, [text, ids, ids as text]. Folders hold a tokenizer.json, trained on
synthetic text, its texts.jsonl, and expected.json with the size and the leading ids.
Everything follows from the seeds.
"""

import json
import pathlib
import random
import sys

from gguf import GGUFReader
from golden_texts import WORDS, TextMaker
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CONTROL = 3  # tokenizer.ggml.token_type
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace("{1,3}", "")


def special(text):
    return AddedToken(text, special=True, normalized=False)


def smollm2(gguf):
    """SmolLM2's tokenizer from the metadata of its GGUF file, as its tokenizer.json has it."""
    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([special(token) for token, kind in zip(tokens, types) if kind == CONTROL])
    return tokenizer


def train(tokenizer, vocab_size):
    maker = TextMaker(random.Random(1), ["<|x|>"])
    common = [" ".join(maker.pick(WORDS[language], 12)) for language in WORDS for _ in range(30)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(common + [maker.text() for _ in range(2000)], trainer)


def gpt2():
    """GPT-2's: the file's merges are strings, its ids have holes, the special token is in the vocabulary."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    train(tokenizer, 700)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([special("<|endoftext|>")])
    file = json.loads(tokenizer.to_str())
    vocab = file["model"]["vocab"] | {"<|endoftext|>": 700}
    file["model"]["vocab"] = {token: id + 5 * (id // 100) for token, id in vocab.items()}
    file["added_tokens"][0]["id"] = file["model"]["vocab"]["<|endoftext|>"]
    file["model"]["merges"] = ["#version: 0.2"] + [" ".join(merge) for merge in file["model"]["merges"]]
    file["model"]["continuing_subword_prefix"] = file["model"]["end_of_word_suffix"] = ""
    return file


def llama3():
    """Llama 3's: merges ignored for whole words, a leading token by the template."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    train(tokenizer, 900)
    tokens = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eot|>"]
    tokenizer.add_special_tokens([special(token) for token in tokens])
    tokenizer.decoder = decoders.ByteLevel()
    bos = ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B", special_tokens=[bos]
            ),
        ]
    )
    file = json.loads(tokenizer.to_str())
    del file["model"]["merges"][5::7]  # so that there are words that no merge leads to
    return file


def qwen2():
    """Qwen2's: NFC, digits one by one, added tokens that are not special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    train(tokenizer, 800)
    tokenizer.add_special_tokens([special(token) for token in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ["<tool_call>", "</tool_call>", "<|im"]])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    return json.loads(tokenizer.to_str())


def every_flag():
    """No model's: all flags of added tokens, prefix space, unknown bytes, all kinds of cuts, leading tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split("=>", behavior="isolated"),
            pre_tokenizers.Split(Regex(r"\p{Han}+|[ぁ-ヿ]{2,3}|(?<=\d)\.(?=\d)|\s*?\n"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
        ]
    )
    train(tokenizer, 600)
    tokenizer.add_special_tokens(
        [
            special("<s>"),
            special("<unk>"),
            AddedToken("<mask>", special=True, lstrip=True, normalized=False),
            AddedToken("<sep>", special=True, rstrip=True, normalized=False),
            AddedToken("<both>", special=True, lstrip=True, rstrip=True, normalized=True),
        ]
    )
    tokenizer.add_tokens(
        [
            AddedToken("word", single_word=True, normalized=False),
            AddedToken("cafe\u0301", normalized=True),
            AddedToken("re\u0301sume\u0301", normalized=False),
            AddedToken("ing", single_word=True, normalized=True, lstrip=True),
            AddedToken("foo bar", normalized=True, rstrip=True),
            AddedToken("foo", normalized=True),
        ]
    )
    ids = [(token, tokenizer.token_to_id(token)) for token in ["<s>", "<sep>"]]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> <sep> $A <sep>", special_tokens=ids)
    tokenizer.decoder = decoders.ByteLevel()
    file = json.loads(tokenizer.to_str())
    for text in "qzQ\u00c3":  # bytes that the vocabulary lacks
        dead = {token for token in file["model"]["vocab"] if text in token and not token.startswith("<")}
        file["model"]["merges"] = [m for m in file["model"]["merges"] if not dead & {m[0], m[1], m[0] + m[1]}]
        del file["model"]["vocab"][text]
    file["model"]["vocab"] |= {token["content"]: token["id"] for token in file["added_tokens"]}
    return file


def write_texts(tokenizer, path, seed, count):
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    maker = TextMaker(random.Random(seed), added)
    texts = {}
    while len(texts) < count:
        texts[maker.text()] = None
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for text in texts:
            line = [text, tokenizer.encode(text, add_special_tokens=False).ids]
            tokenizer.encode_special_tokens = True
            as_text = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = False
            if as_text != line[1]:
                line.append(as_text)
            # Escaped white space keeps one text on one line for every tool.
            line = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
            file.write("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line) + "\n")


def write_folder(folder, file, seed):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(file, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    tokenizer = Tokenizer.from_str(text)
    trailing = len(file["post_processor"].get("single", [])[3:])
    leading = tokenizer.encode("").ids
    expected = {
        "size": max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1,
        "prefix_ids": leading[: len(leading) - trailing],
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    write_texts(tokenizer, folder / "texts.jsonl", seed, 1000)


def main():
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "tokenizer")
    out.mkdir(parents=True, exist_ok=True)
    write_texts(smollm2(sys.argv[1]), out / "smollm2.jsonl", 7, 10000)
    for seed, make in enumerate([gpt2, llama3, qwen2, every_flag]):
        write_folder(out / make.__name__, make(), seed)


if __name__ == "__main__":
    main()
