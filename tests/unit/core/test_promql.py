r"""Selectors: what a ramp may name, what it may not, and that no text escapes its quotes."""

import re

import pytest

from rampguard.core.promql import (
    LONGEST,
    Matcher,
    Selector,
    firing,
    parse_selector,
    quoted,
    with_matchers,
)

COUNTER = "http_requests_total"

# Written -> as it is understood.
SELECTORS = {
    "a bare metric": (COUNTER, f"{COUNTER}{{}}"),
    "no matchers": (f"{COUNTER}{{}}", f"{COUNTER}{{}}"),
    "one matcher": ('a{b="c"}', 'a{b="c"}'),
    "every operator": ('a{b="1",c!="2",d=~"3",e!~"4"}', 'a{b="1",c!="2",d=~"3",e!~"4"}'),
    "a comma at the end": ('a{b="c",}', 'a{b="c"}'),
    "space everywhere": (' \n a \t { b\t=\r"c" , d = "e" } ', 'a{b="c",d="e"}'),
    "single quotes": ("a{b='c'}", "a{b='c'}"),
    "a double quote in single quotes": ("a{b='\"'}", "a{b='\"'}"),
    "an escaped quote": (r'a{b="\""}', r'a{b="\""}'),
    "an escaped backslash at the end": (r'a{b="\\"}', r'a{b="\\"}'),
    "every escape": (r'a{b="\a\b\f\n\r\t\v\x4F\u00e9\'"}', r'a{b="\a\b\f\n\r\t\v\x4F\u00e9\'"}'),
    "braces and commas in a value": ('a{b="}, c{"}', 'a{b="}, c{"}'),
    "a comment sign in a value": ('a{b="# no comment"}', 'a{b="# no comment"}'),
    "words of other alphabets in a value": ('a{b="déjà 試す 🦊"}', 'a{b="déjà 試す 🦊"}'),
    "an empty value": ('a{b=""}', 'a{b=""}'),
    "a tab in a value": ('a{b="\t"}', 'a{b="\t"}'),
    "a recording rule": ("job:errors:rate5m", "job:errors:rate5m{}"),
    "labels that stand before the metric's in the alphabet": (
        'a{Code="1",__address__="2"}',
        'a{Code="1",__address__="2"}',
    ),
    "a label twice": ('a{b=~"x.*",b!="xy"}', 'a{b=~"x.*",b!="xy"}'),
}
# Written -> what the error says.
OTHERS = {
    "nothing": ("", "a metric name should follow, found nothing more"),
    "space alone": ("  ", "a metric name should follow, found nothing more"),
    "only matchers": ('{b="c"}', "a metric name should follow, found '{b=\"c\"}' at character 1"),
    "a number": ("1", "a metric name should follow, found '1' at character 1"),
    "a quoted name": ('{"a.b"}', "a metric name should follow"),
    "a function": ("rate(a[5m])", "the end should follow, found '(a[5m])' at character 5"),
    "an aggregation": ("sum by (x) (a)", "the end should follow, found 'by (x) (a)'"),
    "a range": ("a[5m]", "the end should follow, found '[5m]' at character 2"),
    "a range after matchers": ('a{b="c"}[5m]', "the end should follow, found '[5m]'"),
    "an offset": ("a offset 5m", "the end should follow, found 'offset 5m' at character 3"),
    "an instant": ("a @ 1", "the end should follow, found '@ 1'"),
    "an operator": ("a or b", "the end should follow, found 'or b'"),
    "a comparison": ("a > 0", "the end should follow, found '> 0'"),
    "a comment": ("a # b", "the end should follow, found '# b'"),
    "a second selector": ("a{} b{}", "the end should follow, found 'b{}'"),
    "a brace that is not closed": ('a{b="c"', "} or , should follow, found nothing more"),
    "an open brace": ("a{", "a label should follow, found nothing more"),
    "a second brace": ("a{}}", "the end should follow, found '}' at character 4"),
    "two commas": ('a{b="c",,}', "a label should follow, found ',}' at character 9"),
    "a comma first": ('a{,b="c"}', "a label should follow, found ',b=\"c\"}' at character 3"),
    "no comma": ('a{b="c" d="e"}', "} or , should follow, found 'd=\"e\"}' at character 9"),
    "no operator": ("a{b}", "one of = != =~ !~ should follow, found '}' at character 4"),
    "an unknown operator": ('a{b<"c"}', "one of = != =~ !~ should follow"),
    "a double equals": ('a{b=="c"}', "a quoted value should follow, found '=\"c\"}'"),
    "no quotes": ("a{b=c}", "a quoted value should follow, found 'c}' at character 5"),
    "a quote that is not closed": ('a{b="c}', "a quoted value should follow, found '\"c}'"),
    "a quote that is escaped away": (r'a{b="c\"}', "a quoted value should follow"),
    "quotes that do not match": ("a{b=\"c'}", "a quoted value should follow"),
    "a new line in a value": ('a{b="c\nd"}', "a quoted value should follow"),
    "an escape that is none": (r'a{b="\d"}', "a quoted value should follow"),
    "half an escape": (r'a{b="\x4"}', "a quoted value should follow"),
    "a backtick string": ("a{b=`c`}", "a quoted value should follow"),
    "a label with a colon": ('a{b:c="d"}', "one of = != =~ !~ should follow, found ':c=\"d\"}'"),
    "a label of another alphabet": ('a{é="d"}', "a label should follow"),
    "a metric of another alphabet": ("试", "a metric name should follow"),
    "a digit of another alphabet": ("a٣", "the end should follow"),
    "a space that is none": ("a\u00a0{}", "the end should follow"),
    "the end of a text": ("a\x00", "the end should follow"),
    "an injected selector": (
        'a{b="c"} or vector(1) #',
        "the end should follow, found 'or vector(1) #' at character 10",
    ),
    "the metric twice": ('a{__name__="b"}', "the metric is named once: leave out __name__"),
    "the metric by a pattern": ('a{b="c",__name__=~".*"}', "the metric is named once"),
}


@pytest.mark.parametrize(("text", "understood"), SELECTORS.values(), ids=SELECTORS)
def test_a_selector_is_understood(text: str, understood: str) -> None:
    assert str(parse_selector(text)) == understood


@pytest.mark.parametrize(("text", "why"), OTHERS.values(), ids=OTHERS)
def test_anything_else_is_refused_where_it_begins(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as refusal:
        parse_selector(text)
    assert "named once" in why or str(refusal.value).startswith("a selector such as ")


def test_the_parts_of_a_selector_are_told_apart() -> None:
    told = parse_selector('a:b{c="d",e!~"f|g"}')
    assert told == Selector("a:b", (Matcher("c", "=", '"d"'), Matcher("e", "!~", '"f|g"')))


def test_a_selector_may_have_2048_characters_and_no_more() -> None:
    longest = 'a{b="' + "c" * (LONGEST - 7) + '"}'
    assert len(longest) == 2048
    assert str(parse_selector(longest)) == longest
    with pytest.raises(ValueError, match="at most 2048 characters"):
        parse_selector(longest + " ")


def test_an_error_shows_little_of_a_long_text() -> None:
    with pytest.raises(ValueError, match=r"found 'x{20}' at character 5") as refusal:
        parse_selector("ab{}" + "x" * 500)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ('a"b', r'"a\"b"'),
        ("a\\", r'"a\\"'),
        ('\\"', r'"\\\""'),
        ("a\nb", r'"a\nb"'),
        ("it's", '"it\'s"'),
        ("試す 🦊", '"試す 🦊"'),
        ('"} or vector(1) #', r'"\"} or vector(1) #"'),
    ],
)
def test_no_text_leaves_its_quotes(value: str, told: str) -> None:
    assert quoted(value) == told
    assert parse_selector(f"a{{b={told}}}").matchers == (Matcher("b", "=", told),)


def test_more_matchers_hold_beside_those_that_are_there() -> None:
    told = with_matchers('a{b="c"}', {"namespace": "app", "pod": 'x"y'})
    assert told == r'a{b="c",namespace="app",pod="x\"y"}'
    assert with_matchers("a", {"namespace": "app"}) == 'a{namespace="app"}'
    assert with_matchers("a", {}) == "a{}"


def test_a_matcher_of_the_ramp_does_not_replace_ours() -> None:
    """Prometheus wants both to hold: another namespace than ours finds nothing."""
    told = with_matchers('a{namespace="other"}', {"namespace": "app"})
    assert told == 'a{namespace="other",namespace="app"}'


def test_matchers_are_not_added_to_what_is_no_selector() -> None:
    with pytest.raises(ValueError, match="the end should follow"):
        with_matchers("rate(a[5m])", {"namespace": "app"})


@pytest.mark.parametrize(
    ("matchers", "query"),
    [
        ('severity="sev1"', 'ALERTS{alertstate="firing",severity="sev1"}'),
        (" a =~ \"b|c\" ,\nd!='e' ", 'ALERTS{alertstate="firing",a=~"b|c",d!=\'e\'}'),
        ('a="} or up #"', 'ALERTS{alertstate="firing",a="} or up #"}'),
    ],
)
def test_alerts_are_asked_for_by_matchers(matchers: str, query: str) -> None:
    assert firing(matchers) == query
    assert parse_selector(query).metric == "ALERTS"


@pytest.mark.parametrize(
    ("matchers", "words"),
    [
        ("", "label matchers such as .* a label should follow, found nothing more"),
        ("a", "one of = != =~ !~ should follow"),
        ('a="b",', "a label should follow, found nothing more"),
        ('a="b"} or up', "the end should follow, found '} or up' at character 6"),
        ('ALERTS{a="b"}', "one of = != =~ !~ should follow"),
        ('a="b",alertstate="pending"', "leave out alertstate"),
        ('__name__="up"', "leave out __name__"),
    ],
)
def test_what_are_no_matchers_is_refused(matchers: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        firing(matchers)
