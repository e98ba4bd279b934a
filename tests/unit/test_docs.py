"""The documents say what is so, as far as a machine can tell."""

import re
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from rampguard.adapters.telemetry import GAUGES, RealTelemetry
from rampguard.api.apply import undo_by_hand
from rampguard.core.ask import EnvName, EnvValue, Ref
from rampguard.core.model import Original
from rampguard.core.reasons import ConditionType, Reason
from rampguard.settings import OVERRIDES, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "changes").glob("*.md")])
READ = [page for page in PAGES if page != DOCS / "reference.in.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:`|\$ )make ((?:[a-z0-9-]+ ?)+)")
IN_PREFORMATTED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def written(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def in_docs(name: str) -> str:
    return written(DOCS / name)


def titles(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", IN_PREFORMATTED.sub("", written(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(IN_PREFORMATTED.sub("", written(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in titles(target):
            yield f"{link}: there is no such heading"


def generator() -> ModuleType:
    spec = spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verbs() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):.*## ", written(ROOT / "Makefile"), re.MULTILINE))


def schema() -> dict[str, object]:
    crd = yaml.safe_load(written(ROOT / "crds" / "experimentramps.rampguard.dev.yaml"))
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]


@pytest.mark.parametrize("page", READ, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", READ, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_verb_of_make_that_is_named_exists(page: Path) -> None:
    named = {verb for listed in MAKE.findall(written(page)) for verb in listed.split()}
    assert named <= verbs()


def test_the_first_screen_names_the_two_commands_and_shows_a_live_tree() -> None:
    first = "\n".join(written(ROOT / "README.md").splitlines()[:35])
    assert {"make demo", "make test"} <= set(re.findall(r"make [a-z]+", first))
    assert "├─✔ api" in first


def test_the_first_ramp_of_the_readme_is_the_minimal_example() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", written(ROOT / "README.md"), re.DOTALL)
    minimal = ROOT / "examples" / "ramps" / "minimal.yaml"
    assert yaml.safe_load(block) == yaml.safe_load(written(minimal))


def test_the_manifest_of_your_own_app_is_the_example() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", in_docs("your-own-app.md"), re.DOTALL)
    example = written(ROOT / "examples" / "ramps" / "your-own-app.yaml")
    assert [block for block in blocks if "kind: ExperimentRamp" in block] == [
        example.partition("\n")[2]
    ]


def test_the_values_of_the_lab_that_differ_are_told() -> None:
    values = yaml.safe_load(written(ROOT / "lab" / "operator-values.yaml"))["config"]
    told = in_docs("lab.md").partition("## What differs from production")[2].partition("## ")[0]
    assert [name for name in values if name != "prometheus" and f"`{name}`" not in told] == []


def test_the_reference_is_fresh() -> None:
    assert in_docs("reference.md") == generator().reference(), "run docs/generate.py"


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_is_in_the_reference_with_a_meaning(part: str) -> None:
    rows = [line.split(" | ") for line in in_docs("reference.md").splitlines()]
    told = {row[0].strip("| `"): row[-1].strip(" |.") for row in rows if len(row) > 2}
    asked = {path for path, _, _ in generator().fields(schema()[part], part)}
    assert len(asked) > 30
    assert {path for path in asked if not told.get(path)} == set()


def test_no_words_are_kept_for_a_field_that_is_gone() -> None:
    fields = {
        p for part in ("spec", "status") for p, *_ in generator().fields(schema()[part], part)
    }
    assert set(yaml.safe_load(in_docs("words.yaml"))) <= fields


def test_every_reason_is_in_troubleshooting() -> None:
    rows = [line for line in in_docs("troubleshooting.md").splitlines() if line.startswith("| `")]
    told = {word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert {str(reason) for reason in Reason} == told


def test_every_condition_and_phase_is_explained() -> None:
    from rampguard.core.model import Phase  # noqa: PLC0415 - what this test is about

    rows = set(re.findall(r"^\| (\w+)", in_docs("how-it-works.md"), re.MULTILINE))
    assert {str(one) for one in (*ConditionType, *Phase)} <= rows


def test_every_metric_of_our_own_is_in_operations() -> None:
    shown = set(
        re.findall(r"^# HELP (rampguard_\w+)", RealTelemetry().render().decode(), re.MULTILINE)
    )
    told = set(re.findall(r"`(rampguard_\w+)", in_docs("operations.md")))
    assert {name for name in (*GAUGES, *shown) if not name.endswith("_created")} == told


def test_every_setting_is_in_operations() -> None:
    told = in_docs("operations.md")
    fields = [field.alias or name for name, field in Settings.model_fields.items()]
    missing = [name for name in (*fields, *OVERRIDES) if f"`{name}`" not in told]
    assert missing == []


def test_the_ways_by_hand_are_those_of_the_code() -> None:
    ramp = Ref("app", "skill-tree-layout-50")
    api = Original(deployment="api", uid="u", container="api", value=EnvValue("10"))
    for command in undo_by_hand(ramp, api, EnvName("SKILL_TREE_LIST_ROLLOUT")):
        assert command in written(ROOT / "README.md")


DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = set(re.findall(r"\((0[^)]+\.md)\)", in_docs("decisions/README.md")))
    assert {page.name for page in DECISIONS} == listed


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name[:4])
def test_a_decision_has_its_four_parts(page: Path) -> None:
    heads = re.findall(r"^## (.+)$", written(page), re.MULTILINE)
    assert heads == ["Context", "Decision", "Consequences", "Alternatives"]


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](gone.md) [b](#there) [c](#here) [d](https://example.com/)\n")
    assert [found.split(":")[0] for found in broken_links(page)] == ["gone.md", "#there"]
