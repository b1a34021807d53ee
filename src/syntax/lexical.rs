//! The part of minijinja's expressions that runbooks use: names, literals, operators, `if … else`,
//! and a fixed set of filters and tests. The compiler does not know filters, tests and functions
//! before it evaluates, and does not report names inside slices; here they are found first, so that
//! none of them can fail in the middle of a failover.

/// Filters that an expression may use.
pub(super) const FILTERS: &[&str] = &[
    "default", "d", "lower", "upper", "title", "trim", "replace", "length", "count", "first", "last", "join", "split",
    "int", "float", "round", "abs", "string", "bool", "min", "max", "sum", "sort", "unique", "list",
];
/// Tests that may stand after `is`.
pub(super) const TESTS: &[&str] = &[
    "defined",
    "undefined",
    "none",
    "true",
    "false",
    "odd",
    "even",
    "number",
    "integer",
    "string",
    "startingwith",
    "endingwith",
    "in",
    "divisibleby",
];

const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "if", "else", "is", "true", "false", "none", "True", "False", "None"];

/// Something in an expression that is not part of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Foreign<'s> {
    /// There is no such filter.
    Filter(&'s str),
    /// There is no such test.
    Test(&'s str),
    /// Nothing can be called.
    Call(&'s str),
    /// `[1:2]`.
    Slice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'s> {
    Word(&'s str),
    Literal,
    Sign(char),
}

/// The first thing of an expression that is not part of the language.
pub(super) fn foreign(source: &str) -> Option<Foreign<'_>> {
    let tokens = tokens(source);
    let mut brackets = vec![];
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| tokens[i]);
        match token {
            Token::Sign(open @ ('(' | '[' | '{')) => {
                if *open == '(' {
                    match before {
                        Some(Token::Sign(')' | ']' | '}') | Token::Literal) => return Some(Foreign::Call("(…)")),
                        Some(Token::Word(name)) if !KEYWORDS.contains(&name) && !takes_arguments(&tokens[..i]) => {
                            return Some(Foreign::Call(name));
                        }
                        _ => {}
                    }
                }
                brackets.push(*open);
            }
            Token::Sign(')' | ']' | '}') => {
                brackets.pop();
            }
            Token::Sign(':') if brackets.last() == Some(&'[') => return Some(Foreign::Slice),
            Token::Word(name) if before == Some(Token::Sign('|')) && !FILTERS.contains(name) => {
                return Some(Foreign::Filter(name));
            }
            Token::Word(name) if is_test(&tokens[..i]) && *name != "not" && !TESTS.contains(name) => {
                return Some(Foreign::Test(name));
            }
            Token::Word(_) | Token::Literal | Token::Sign(_) => {}
        }
    }
    None
}

/// Whether the expression gives a missing value a meaning.
pub(super) fn has_default(source: &str) -> bool {
    tokens(source).windows(2).any(|pair| {
        matches!(
            pair,
            [Token::Sign('|'), Token::Word("default" | "d")]
                | [Token::Word("is"), Token::Word("defined" | "undefined")]
        ) || matches!(pair, [Token::Word("not"), Token::Word("defined")])
    })
}

/// Whether the last word is a filter or test, which may have arguments.
fn takes_arguments(tokens: &[Token<'_>]) -> bool {
    let Some((_, before)) = tokens.split_last() else { return false };
    before.last() == Some(&Token::Sign('|')) || is_test(before)
}

/// Whether what comes next is the name of a test.
fn is_test(before: &[Token<'_>]) -> bool {
    match before {
        [.., dot, Token::Word("is")] => *dot != Token::Sign('.'),
        [.., Token::Word("is"), Token::Word("not")] => true,
        _ => false,
    }
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = vec![];
    let mut rest = source.trim_start();
    while let Some(c) = rest.chars().next() {
        let (token, len) = match c {
            '\'' | '"' => (Token::Literal, quoted_len(rest, c)),
            c if c.is_ascii_digit() => {
                let len =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len());
                (Token::Literal, len)
            }
            c if c.is_alphabetic() || c == '_' => {
                let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Token::Word(&rest[..len]), len)
            }
            c => (Token::Sign(c), c.len_utf8()),
        };
        tokens.push(token);
        rest = rest[len..].trim_start();
    }
    tokens
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::expr;
    use serde_json::json;

    #[test]
    fn what_could_fail_only_when_evaluated_is_found_before() {
        assert_eq!(foreign("steps.lag.loss | defualt('x')"), Some(Foreign::Filter("defualt")));
        assert_eq!(foreign("mode is planed"), Some(Foreign::Test("planed")));
        assert_eq!(foreign("mode is not planed"), Some(Foreign::Test("planed")));
        assert_eq!(foreign("range(3)"), Some(Foreign::Call("range")));
        assert_eq!(foreign("mode.upper()"), Some(Foreign::Call("upper")));
        assert_eq!(foreign("(mode)()"), Some(Foreign::Call("(…)")));
        assert_eq!(foreign("run.id[0:3]"), Some(Foreign::Slice));
        for good in [
            "steps.lag.loss | default('| nosuch(')",
            "mode == 'planned' and (parameters.n > 1 or not parameters.on)",
            "{'a': 1}['a'] + at.x.y[0]",
            "parameters.n is divisibleby(3)",
            "'a' if steps.x.y is not defined else 'b'",
            "parameters.n in (1, 2)",
        ] {
            assert_eq!(foreign(good), None, "{good}");
        }
    }

    #[test]
    fn every_filter_and_test_of_the_language_exists() {
        let scope = json!({ "x": ["b", "a"], "n": 2, "s": "a" }).as_object().unwrap().clone();
        for filter in FILTERS {
            let argument = ["n", "s", "x"].iter().find(|name| {
                let arguments = if *filter == "replace" { "('a', 'b')" } else { "" };
                expr::eval(&format!("{name} | {filter}{arguments}"), &scope).is_ok()
            });
            assert!(argument.is_some() || *filter == "sum", "{filter}");
        }
        for test in TESTS {
            let arguments = match *test {
                "startingwith" | "endingwith" => "('a')",
                "divisibleby" => "(2)",
                "in" => "(x)",
                _ => "",
            };
            let works =
                ["n", "s"].iter().any(|name| expr::eval(&format!("{name} is {test}{arguments}"), &scope).is_ok());
            assert!(works, "{test}");
        }
    }
}
