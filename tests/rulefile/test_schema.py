from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from scrapeguard.rulefile.load import packaged_rules
from scrapeguard.rulefile.model import RuleFile
from scrapeguard.rulefile.when import CONDITIONS

CORPUS = Path(__file__).parents[1] / "corpora" / "policies"
SHIPPED = packaged_rules().with_name("rules.schema.json")


@pytest.fixture(scope="module")
def schema(catalogue):
    return RuleFile(catalogue).json_schema()


def documents(kind):
    return [pytest.param(path, id=path.stem) for path in sorted((CORPUS / kind).glob("*.yaml"))]


def as_json(path):
    """The document as an editor sees it: JSON has only text for keys."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))


def test_the_shipped_schema_is_the_one_the_code_describes(schema):
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == schema


def test_it_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", [*documents("good"), pytest.param(packaged_rules(), id="default")])
def test_it_accepts_good_files(path, schema):
    if path.stem == "off_is_a_word":
        pytest.skip("`off` is a boolean to YAML 1.1, which editors no longer speak")
    jsonschema.validate(as_json(path), schema)


@pytest.mark.parametrize("name", ["a_list", "five_at_once", "wrong_types", "conditions", "empty"])
def test_it_refuses_what_the_loader_refuses(name, schema):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_json(CORPUS / "bad" / f"{name}.yaml"), schema)


def test_every_key_says_what_it_is_for(schema):
    assert all(described["description"] for described in schema["properties"].values())
    when = schema["$defs"]["when"]["properties"]
    assert when.keys() == CONDITIONS.keys()
    assert all(described["description"] for described in when.values())
