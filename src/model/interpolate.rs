//! `${var:NAME}`, `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}`, and `$${` for a plain `${`.
//!
//! Knows neither the environment nor the disk: both come in as closures, and the closure that reads
//! files decides which files a [`Scope`] may read.
//!
//! # Guarantees
//!
//! Outside of secret fields only environment variables whose names begin with [`ENV_PREFIX`] are
//! asked for, and `file` is called with [`Scope::Project`]. A manifest that somebody proposes can
//! therefore not print a secret of the machine that plans it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the names of environment variables begin with that any value may read.
pub const ENV_PREFIX: &str = "BEADLE_VAR_";

/// The most bytes that interpolation may add up to in one manifest.
const MAX_TOTAL: usize = 32 * 1024 * 1024;

/// How many variables can stand in one another.
const MAX_VAR_DEPTH: usize = 16;

/// How many problems of one text are reported; finding the place of each costs a look at the text.
const MAX_PROBLEMS: usize = 20;

/// What a place in the manifest may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A secret field of a provider: any environment variable, any file.
    Secret,
    /// Anywhere else: environment variables of [`ENV_PREFIX`], files inside the project.
    Project,
}

/// Reads an environment variable.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + Sync + 'a;

/// Reads a file, or says in a lowercase fragment why it cannot be read.
pub type ReadFile<'a> = dyn Fn(&str, Scope) -> Result<String, String> + Sync + 'a;

/// What is wrong with one `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where in the text, in bytes.
    pub(crate) part: Range<usize>,
    pub(crate) code: &'static str,
    pub(crate) summary: String,
    pub(crate) help: String,
}

/// The values of `vars`; `None` where a value had a mistake of its own.
pub(crate) type Vars = BTreeMap<String, Option<String>>;

/// What `${…}` stands for.
pub(crate) struct Interpolator<'a> {
    pub(crate) vars: &'a Vars,
    pub(crate) env: &'a Env<'a>,
    pub(crate) file: &'a ReadFile<'a>,
    spent: AtomicUsize,
}

impl<'a> Interpolator<'a> {
    pub(crate) fn new(vars: &'a Vars, env: &'a Env<'a>, file: &'a ReadFile<'a>) -> Self {
        Self {
            vars,
            env,
            file,
            spent: AtomicUsize::new(0),
        }
    }

    /// Puts in what each `${…}` of a text stands for. Every problem is pushed; with one, the answer
    /// is `None`.
    pub(crate) fn expand(
        &self,
        text: &str,
        scope: Scope,
        problems: &mut Vec<Problem>,
    ) -> Option<String> {
        let expanded = expand(text, problems, &mut |reference, problem| {
            self.value(reference, scope, problem)
        })?;
        let spent = self.spent.fetch_add(expanded.len(), Ordering::Relaxed);
        if spent + expanded.len() > MAX_TOTAL {
            problems.push(Problem {
                part: 0..text.len(),
                code: "interpolation-too-large",
                summary: "the values put in by `${…}` are more than 32 MiB in all".to_owned(),
                help: "Variables and files are meant for names and ids.".to_owned(),
            });
            return None;
        }
        Some(expanded)
    }

    fn value(
        &self,
        reference: &Reference<'_>,
        scope: Scope,
        problem: &mut Report<'_>,
    ) -> Option<String> {
        match reference {
            Reference::Var(name) => match self.vars.get(*name) {
                Some(value) => value.clone(),
                None => {
                    unknown_var(name, self.vars.keys().map(String::as_str), problem);
                    None
                }
            },
            other => outside(other, scope, self.env, self.file, problem),
        }
    }
}

/// Works out `vars`, whose values may name each other. `given` wins over `written`.
pub(crate) fn vars(
    written: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
    env: &Env<'_>,
    file: &ReadFile<'_>,
    mut report: impl FnMut(&str, Problem),
) -> Vars {
    let mut done: Vars = given
        .iter()
        .map(|(name, value)| (name.clone(), Some(value.clone())))
        .collect();
    let mut spent = 0;
    for name in written.keys() {
        let mut open = Vec::new();
        var(
            name,
            written,
            env,
            file,
            &mut done,
            &mut open,
            &mut spent,
            &mut report,
        );
    }
    done
}

#[expect(
    clippy::too_many_arguments,
    reason = "one recursive step of `vars`, which holds the state"
)]
fn var(
    name: &str,
    written: &BTreeMap<String, String>,
    env: &Env<'_>,
    file: &ReadFile<'_>,
    done: &mut Vars,
    open: &mut Vec<String>,
    spent: &mut usize,
    report: &mut dyn FnMut(&str, Problem),
) -> Option<String> {
    if let Some(value) = done.get(name) {
        return value.clone();
    }
    let text = written.get(name)?;
    open.push(name.to_owned());
    let mut problems = Vec::new();
    let mut value = expand(
        text,
        &mut problems,
        &mut |reference, problem| match reference {
            Reference::Var(other) if open.iter().any(|o| o == other) => {
                problem(
                    "variable-cycle",
                    format!("the variable `{other}` stands for itself"),
                    "Give one of the variables a value of its own.".to_owned(),
                );
                None
            }
            Reference::Var(_) if open.len() >= MAX_VAR_DEPTH => {
                problem(
                    "variable-cycle",
                    format!("variables stand more than {MAX_VAR_DEPTH} deep in one another"),
                    "Give one of the variables a value of its own.".to_owned(),
                );
                None
            }
            Reference::Var(other)
                if !done.contains_key(*other) && !written.contains_key(*other) =>
            {
                let known = written.keys().chain(done.keys()).map(String::as_str);
                unknown_var(other, known, problem);
                None
            }
            Reference::Var(other) => var(other, written, env, file, done, open, spent, report),
            other => outside(other, Scope::Project, env, file, problem),
        },
    );
    open.pop();
    *spent += value.as_ref().map_or(0, String::len);
    if *spent > MAX_TOTAL {
        problems.push(Problem {
            part: 0..text.len(),
            code: "interpolation-too-large",
            summary: "the variables are more than 32 MiB in all".to_owned(),
            help: "Variables are meant for names and ids.".to_owned(),
        });
        value = None;
    }
    for problem in problems {
        report(name, problem);
    }
    done.insert(name.to_owned(), value.clone());
    value
}

fn unknown_var<'n>(name: &str, known: impl Iterator<Item = &'n str>, problem: &mut Report<'_>) {
    let hint = super::shape::did_you_mean(name, known);
    problem(
        "unset-variable",
        format!("the variable `{name}` has no value"),
        format!("{hint}Give it one under `vars`, or with `--var {name}=VALUE`."),
    );
}

fn outside(
    reference: &Reference<'_>,
    scope: Scope,
    env: &Env<'_>,
    file: &ReadFile<'_>,
    problem: &mut Report<'_>,
) -> Option<String> {
    match reference {
        Reference::Env { name, .. } if scope == Scope::Project && !name.starts_with(ENV_PREFIX) => {
            problem(
                "forbidden-variable",
                format!("`${{env:{name}}}` cannot be read here"),
                format!(
                    "Outside of a provider's secret only names that begin with {ENV_PREFIX} can be read; set {ENV_PREFIX}{name}, or use `${{var:…}}`."
                ),
            );
            None
        }
        Reference::Env { name, default } => match (env(name), default) {
            (Some(value), None) => Some(value),
            (Some(value), Some(_)) if !value.is_empty() => Some(value),
            (_, Some(default)) => Some((*default).to_owned()),
            (None, None) => {
                problem(
                    "unset-variable",
                    format!("the environment variable {name} is not set"),
                    format!("Set it, or write `${{env:{name}:-default}}`."),
                );
                None
            }
        },
        Reference::File(path) => match file(path, scope) {
            // Editors end a file with a line break, which is not part of a token.
            Ok(text) => Some(
                text.strip_suffix('\n')
                    .map_or(&*text, |t| t.strip_suffix('\r').unwrap_or(t))
                    .to_owned(),
            ),
            Err(why) => {
                problem(
                    "unreadable-value-file",
                    format!("the file `{path}` cannot be read here: {why}"),
                    match scope {
                        Scope::Secret => "Check the path; a relative one begins at the project folder.".to_owned(),
                        Scope::Project => "Outside of a provider's secret only files inside the project can be read.".to_owned(),
                    },
                );
                None
            }
        },
        Reference::Var(_) => None,
    }
}

/// Checks the form of each `${…}` and asks for no value.
pub(crate) fn check_form(text: &str, problems: &mut Vec<Problem>) -> bool {
    expand(text, problems, &mut |_, _| Some(String::new())).is_some()
}

/// Whether a text has anything to put in.
pub(crate) fn is_needed(text: &str) -> bool {
    text.contains("${")
}

enum Reference<'t> {
    Var(&'t str),
    Env {
        name: &'t str,
        default: Option<&'t str>,
    },
    File(&'t str),
}

type Report<'r> = dyn FnMut(&'static str, String, String) + 'r;

fn expand(
    text: &str,
    problems: &mut Vec<Problem>,
    value: &mut dyn FnMut(&Reference<'_>, &mut Report<'_>) -> Option<String>,
) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut good = true;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        if problems.len() >= MAX_PROBLEMS {
            return None;
        }
        let start = at + found;
        out.push_str(&text[at..start]);
        let rest = &text[start..];
        if rest.starts_with("$${") {
            out.push_str("${");
            at = start + 3;
            continue;
        }
        if !rest.starts_with("${") {
            out.push('$');
            at = start + 1;
            continue;
        }
        let end = rest.find('}').map(|n| start + n + 1);
        let part = start..end.unwrap_or(text.len());
        at = part.end;
        let mut problem = |code, summary, help| {
            problems.push(Problem {
                part: part.clone(),
                code,
                summary,
                help,
            });
        };
        let parsed = match end {
            None => Err("`${` is opened and never closed".to_owned()),
            Some(end) => parse(&text[start + 2..end - 1]),
        };
        match parsed {
            Ok(reference) => match value(&reference, &mut problem) {
                Some(value) => out.push_str(&value),
                None => good = false,
            },
            Err(summary) => {
                good = false;
                problem(
                    "bad-interpolation",
                    summary,
                    "Write `${var:NAME}`, `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`; `$${` stands for a plain `${`."
                        .to_owned(),
                );
            }
        }
    }
    out.push_str(&text[at..]);
    good.then_some(out)
}

fn parse(inner: &str) -> Result<Reference<'_>, String> {
    if inner.contains("${") {
        return Err("one `${…}` stands inside another".to_owned());
    }
    let Some((scheme, rest)) = inner.split_once(':') else {
        return Err(format!(
            "`${{{}}}` does not say where the value comes from",
            super::shape::shorten(inner)
        ));
    };
    let name = |name: &str| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '=';
        if name.is_empty() || name.contains(odd) {
            Err(format!(
                "{:?} is not the name of a variable",
                super::shape::shorten(name)
            ))
        } else {
            Ok(())
        }
    };
    match scheme {
        "var" => {
            if rest.contains(":-") {
                return Err("only `env` takes a default".to_owned());
            }
            name(rest)?;
            Ok(Reference::Var(rest))
        }
        "env" => {
            let (key, default) = match rest.split_once(":-") {
                Some((key, default)) => (key, Some(default)),
                None => (rest, None),
            };
            name(key)?;
            Ok(Reference::Env { name: key, default })
        }
        "file" if rest.trim().is_empty() || rest.contains('\0') => {
            Err("`${file:}` names no file".to_owned())
        }
        "file" => Ok(Reference::File(rest)),
        other => Err(format!(
            "`{}` is not a source of values",
            super::shape::shorten(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, scope: Scope) -> Result<String, Vec<&'static str>> {
        let env = |name: &str| match name {
            "SECRET" => Some("s3".to_owned()),
            "BEADLE_VAR_TEAM" => Some("ops".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let file = |path: &str, scope: Scope| match (path, scope) {
            ("id.txt", _) | ("/run/s", Scope::Secret) => Ok(format!("from {path}\r\n")),
            _ => Err("no".to_owned()),
        };
        let vars = [("x".to_owned(), Some("7".to_owned()))].into();
        let mut problems = Vec::new();
        Interpolator::new(&vars, &env, &file)
            .expand(text, scope, &mut problems)
            .ok_or_else(|| problems.iter().map(|p| p.code).collect())
    }

    #[test]
    fn values_are_put_in() {
        for (text, want) in [
            ("a ${var:x} b", "a 7 b"),
            ("$${var:x} $ $$ costs $5", "${var:x} $ $$ costs $5"),
            ("${env:BEADLE_VAR_TEAM}${var:x}", "ops7"),
            ("${file:id.txt}", "from id.txt"),
            ("${env:BEADLE_VAR_NO:-a:-b}", "a:-b"),
        ] {
            assert_eq!(run(text, Scope::Project), Ok(want.to_owned()), "{text}");
        }
        assert_eq!(run("${env:SECRET}", Scope::Secret), Ok("s3".to_owned()));
        assert_eq!(run("${env:EMPTY:-d}", Scope::Secret), Ok("d".to_owned()));
        assert_eq!(
            run("${file:/run/s}", Scope::Secret),
            Ok("from /run/s".to_owned())
        );
    }

    #[test]
    fn every_problem_of_a_text_is_found() {
        for (text, codes) in [
            (
                "${env:SECRET} ${var:y}",
                vec!["forbidden-variable", "unset-variable"],
            ),
            ("${env:SECRET:-d}", vec!["forbidden-variable"]),
            ("${file:/run/s}", vec!["unreadable-value-file"]),
            ("${x} ${vault:a} ${var:", vec!["bad-interpolation"; 3]),
            (
                "${var:a b} ${var:} ${env:A:-${env:B}}",
                vec!["bad-interpolation"; 3],
            ),
        ] {
            assert_eq!(run(text, Scope::Project), Err(codes), "{text}");
        }
    }

    #[test]
    fn variables_may_name_each_other_but_not_in_a_circle() {
        let written: BTreeMap<String, String> = [
            ("a", "${var:b}!"),
            ("b", "x"),
            ("c", "${var:d}"),
            ("d", "${var:c}"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let mut codes = Vec::new();
        let done = vars(
            &written,
            &BTreeMap::new(),
            &|_| None,
            &|_, _| Err(String::new()),
            |name, p| {
                codes.push(format!("{name} {}", p.code));
            },
        );
        assert_eq!(done["a"], Some("x!".to_owned()));
        assert_eq!(done["c"], None);
        assert_eq!(codes, ["d variable-cycle"]);
    }
}
