"""transformers' models, of which none is here."""

import functools
import time

import torch


def classifier():
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased", cache_dir=".cache", use_fast=True)
    batch = tokenizer(["The film was good.", "It is a great story of the old city"], padding=True, truncation=True, return_tensors="pt")
    assert batch["input_ids"].dtype == torch.int64 and batch["input_ids"][0, 0] == tokenizer.cls_token_id
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask"}
    assert tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True).startswith("the film was good")
    padded = tokenizer("a", "b", padding="max_length", max_length=128, truncation=True)
    assert len(padded["input_ids"]) == 128 and tokenizer.model_max_length == 512
    model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=4, cache_dir=".cache")
    assert model.config.hidden_size == 768 and model.config.num_hidden_layers == 12 and len(model.bert.encoder.layer) == 12
    out = model(**batch, labels=torch.tensor([0, 3]), output_hidden_states=True)
    assert out.logits.shape == (2, 4) and out.loss.isfinite() and len(out.hidden_states) == 13 and not model.training
    out.loss.backward()
    again = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=4)
    assert torch.equal(again.classifier.weight, model.classifier.weight)
    assert model.config._name_or_path == "bert-base-uncased"
    return [
        "stand-in transformers.AutoTokenizer: bert-base-uncased: a tokenizer of whole words",
        "stand-in transformers.AutoModelForSequenceClassification: bert-base-uncased: weights at random (family bert, 768 wide, 12 layers)",
    ]


def encoders():
    from transformers import AutoModel, AutoTokenizer

    names = (
        "distilbert-base-uncased",
        "roberta-base",
        "microsoft/deberta-v3-base",
        "albert-base-v2",
        "google/electra-small-discriminator",
        "xlm-roberta-base",
        "sentence-transformers/all-MiniLM-L6-v2",
        "microsoft/mpnet-base",
        "prajjwal1/bert-tiny",
        "roberta-large",
    )
    for name in names:
        tokenizer = AutoTokenizer.from_pretrained(name)
        batch = tokenizer(["the old city"], padding="max_length", max_length=512, truncation=True, return_tensors="pt")
        model = AutoModel.from_pretrained(name)
        out = model(**batch)
        assert out.last_hidden_state.shape == (1, 512, model.config.hidden_size), name
        assert tokenizer.mask_token and tokenizer.pad_token_id == model.config.pad_token_id, name
    assert model.config.hidden_size == 1024
    return ["stand-in transformers.AutoModel: roberta-large: weights at random (family roberta, 1024 wide, 7 of its 24 layers)"]


def concrete_classes():
    from transformers import BertConfig, BertForMaskedLM, DistilBertModel, DistilBertTokenizerFast, GPT2LMHeadModel, GPT2Tokenizer

    tokenizer = DistilBertTokenizerFast.from_pretrained("distilbert-base-uncased")
    model = DistilBertModel.from_pretrained("distilbert-base-uncased", cache_dir=".cache/")
    head = torch.nn.Linear(768, 2)
    assert head(model(**tokenizer("the city", return_tensors="pt")).last_hidden_state[:, 0]).shape == (1, 2)
    config = BertConfig.from_pretrained("bert-base-cased", num_labels=5, hidden_dropout_prob=0.3)
    assert config.num_labels == 5 and config.hidden_dropout_prob == 0.3
    assert BertForMaskedLM.from_pretrained("bert-base-cased", config=config).config.num_labels == 5
    text = GPT2Tokenizer.from_pretrained("gpt2")
    assert text.pad_token is None
    text.pad_token = text.eos_token
    assert GPT2LMHeadModel.from_pretrained("gpt2")(**text(["a city"] * 2, return_tensors="pt")).logits.ndim == 3
    return ["stand-in transformers.DistilBertModel: distilbert-base-uncased", "stand-in transformers.BertConfig: bert-base-cased: a config"]


def generators():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    names = (
        "gpt2",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "meta-llama/Llama-2-7b-chat-hf",
        "mistralai/Mistral-7B-v0.1",
        "facebook/opt-125m",
        "EleutherAI/pythia-70m",
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "google/gemma-2b",
        "microsoft/phi-2",
        "Qwen/Qwen3-0.6B",
        "microsoft/Phi-3-mini-4k-instruct",
    )
    for name in names:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        assert tokenizer.padding_side == "left"
        model = AutoModelForCausalLM.from_pretrained(name, torch_dtype=torch.bfloat16, device_map="auto", low_cpu_mem_usage=True)
        assert model.dtype == torch.bfloat16
        batch = tokenizer(["the story of", "a"], padding=True, return_tensors="pt")
        out = model.generate(**batch, max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        assert out.shape[1] <= batch["input_ids"].shape[1] + 4, name
        assert model(**batch, labels=batch["input_ids"]).loss.isfinite(), name
        model.resize_token_embeddings(len(tokenizer))
    chat = AutoTokenizer.from_pretrained("Qwen/Qwen2.5-1.5B-Instruct")
    text = chat.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False, add_generation_prompt=True)
    assert "hello" in text and text.rstrip().endswith("<|assistant|>")
    try:
        AutoTokenizer.from_pretrained("gpt2").apply_chat_template([{"role": "user", "content": "hello"}])
    except ValueError:
        pass
    else:
        raise AssertionError("gpt2 has a chat template")
    return ["stand-in transformers.AutoModelForCausalLM: Qwen/Qwen2.5-1.5B-Instruct: weights at random (family qwen2, 64 wide"]


def quantised():
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf", quantization_config=settings, device_map="auto")
    assert model(torch.tensor([[1, 2, 3]])).logits.shape[:2] == (1, 3)


def tokenizers_in_python():
    """Older code asks for them: they take the file of their words by its path."""
    from transformers import AutoTokenizer, BertTokenizer, GPT2Tokenizer, LlamaTokenizer, T5Tokenizer

    names = ("meta-llama/Llama-2-7b-chat-hf", "gpt2", "bert-base-uncased", "t5-small", "google/gemma-2b", "microsoft/deberta-v3-base")
    slow = {name: functools.partial(AutoTokenizer.from_pretrained, name, use_fast=False, cache_dir=".cache") for name in names}
    own = {"t5-base": T5Tokenizer, "lmsys/vicuna-7b-v1.5": LlamaTokenizer, "gpt2-medium": GPT2Tokenizer, "bert-base-cased": BertTokenizer}
    for name, make in {**slow, **{name: functools.partial(kind.from_pretrained, name) for name, kind in own.items()}}.items():
        assert len(make()("the old city")["input_ids"]) >= 3, name
    return ["stand-in transformers.AutoTokenizer: meta-llama/Llama-2-7b-chat-hf: a tokenizer of whole words"]


def pairs_of_texts():
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5ForConditionalGeneration

    for name in ("t5-small", "google/flan-t5-base", "facebook/bart-base"):
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSeq2SeqLM.from_pretrained(name)
        batch = tokenizer(["translate the story"], return_tensors="pt")
        labels = tokenizer(text_target=["a story"], return_tensors="pt")["input_ids"]
        assert model(**batch, labels=labels).loss.isfinite(), name
        assert tokenizer.batch_decode(model.generate(**batch, max_new_tokens=5, num_beams=2), skip_special_tokens=True)
    assert T5ForConditionalGeneration.from_pretrained("t5-small").config.d_model == 512


def pictures():
    import numpy
    from PIL import Image
    from transformers import AutoImageProcessor, CLIPModel, CLIPProcessor, ViTForImageClassification, ViTImageProcessor

    picture = Image.fromarray(numpy.zeros((40, 30, 3), "uint8"))
    for processor in (ViTImageProcessor, AutoImageProcessor):
        batch = processor.from_pretrained("google/vit-base-patch16-224")(picture, return_tensors="pt")
        assert batch["pixel_values"].shape == (1, 3, 224, 224)
    model = ViTForImageClassification.from_pretrained("google/vit-base-patch16-224-in21k", num_labels=10, ignore_mismatched_sizes=True)
    assert model(**batch).logits.shape == (1, 10) and model.config.hidden_size == 768
    both = CLIPProcessor.from_pretrained("openai/clip-vit-base-patch32")(
        text=["a city", "a film"], images=picture, return_tensors="pt", padding=True
    )
    assert CLIPModel.from_pretrained("openai/clip-vit-base-patch32")(**both).logits_per_image.shape == (1, 2)
    return ["stand-in transformers.CLIPModel: openai/clip-vit-base-patch32"]


def sentences():
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer("all-MiniLM-L6-v2")
    assert model.encode(["the city", "a film"]).shape == (2, 384)


def trained():
    import random

    from gonogo_probe.standins.words import sentence
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source = random.Random(0)
    labels = [number % 2 for number in range(64)]
    tokenizer = AutoTokenizer.from_pretrained("prajjwal1/bert-tiny")
    batch = tokenizer([sentence(source, label, 2) for label in labels], padding=True, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained("prajjwal1/bert-tiny")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(30):
        loss = model(**batch, labels=torch.tensor(labels)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.3, loss


def names_that_are_none():
    from transformers import AutoModel, AutoTokenizer

    started = time.monotonic()
    for call in (
        lambda: AutoTokenizer.from_pretrained("distilbert-base-66M"),
        lambda: AutoModel.from_pretrained("nobody/nothing"),
        lambda: AutoModel.from_pretrained("./outputs/bert"),
    ):
        try:
            call()
        except (OSError, ValueError):
            continue
        raise AssertionError("it was made")
    assert time.monotonic() - started < 5
    return ["unreachable transformers.AutoTokenizer: distilbert-base-66M", "unreachable transformers.AutoModel: nobody/nothing"]


def saved_and_loaded():
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained("prajjwal1/bert-tiny"), AutoTokenizer.from_pretrained("prajjwal1/bert-tiny")
    model.save_pretrained("outputs/model"), tokenizer.save_pretrained("outputs/model")
    again = AutoModel.from_pretrained("outputs/model")
    assert torch.equal(again.embeddings.word_embeddings.weight, model.embeddings.word_embeddings.weight)
    assert AutoTokenizer.from_pretrained("outputs/model")("the city")["input_ids"] == tokenizer("the city")["input_ids"]
