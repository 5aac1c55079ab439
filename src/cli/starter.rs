//! What `init` writes: a project that validates as it is, and the files that let a platform run it.
//!
//! It touches no disk: choices in, files and words out. The CI files stand in `examples/ci/` too, as they
//! are written for Feishu alone.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use super::args::{Platform, StarterVendor};
use super::commands::schema_text;
use crate::model::Name;

/// What a project begins with.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) name: Name,
    /// Sorted, each once, at least one.
    pub(super) vendors: Vec<StarterVendor>,
    pub(super) platform: Platform,
    pub(super) image: String,
}

/// One file, by its path inside of the project.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) path: &'static str,
    pub(super) text: String,
}

/// The file that an existing project may have already, and that is left as it is.
pub(super) const IGNORE: &str = ".gitignore";

/// The host of the gateway that stands in the starter's EnOS block.
const GATEWAY: &str = "apigw.example.com";

/// What shows a newcomer that it works, with nothing set up.
const REHEARSAL: [&str; 5] = [
    "beadle validate",
    "beadle plan --sandbox",
    "beadle apply --sandbox --auto-approve",
    "beadle drift --sandbox",
    "beadle tick --sandbox",
];

/// The files, `beadle.yaml` first.
pub(super) fn files(choices: &Choices) -> Vec<Written> {
    let plain = |path, text: &str| Written {
        path,
        text: text.to_owned(),
    };
    let filled = |path, text: &str| Written {
        path,
        text: fill(text, choices),
    };
    let mut files = vec![
        plain("beadle.yaml", &manifest(choices)),
        plain(".beadle-schema.json", &schema_text()),
        plain(IGNORE, include_str!("starter/gitignore")),
    ];
    match choices.platform {
        Platform::Github => files.extend([
            filled(
                ".github/workflows/beadle-plan.yaml",
                include_str!("starter/github/beadle-plan.yaml"),
            ),
            filled(
                ".github/workflows/beadle-apply.yaml",
                include_str!("starter/github/beadle-apply.yaml"),
            ),
            filled(
                ".github/workflows/beadle-drift.yaml",
                include_str!("starter/github/beadle-drift.yaml"),
            ),
            filled(
                ".github/workflows/beadle-tick.yaml",
                include_str!("starter/github/beadle-tick.yaml"),
            ),
        ]),
        Platform::Gitlab => files.push(filled(
            ".gitlab-ci.yml",
            include_str!("starter/gitlab/gitlab-ci.yml"),
        )),
        Platform::Kubernetes => files.extend([
            filled(
                "kustomization.yaml",
                include_str!("starter/kubernetes/kustomization.yaml"),
            ),
            filled(
                "kubernetes/runner.yaml",
                include_str!("starter/kubernetes/runner.yaml"),
            ),
            filled(
                "kubernetes/tick.yaml",
                include_str!("starter/kubernetes/tick.yaml"),
            ),
        ]),
        Platform::None => {}
    }
    files
}

impl Choices {
    fn has(&self, vendor: StarterVendor) -> bool {
        self.vendors.contains(&vendor)
    }

    /// The environment variables with the vendors' secrets.
    fn secrets(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.vendors.iter().map(|vendor| match vendor {
            StarterVendor::Feishu => "FEISHU_APP_SECRET",
            StarterVendor::DingTalk => "DINGTALK_APP_SECRET",
            StarterVendor::Enos => "ENOS_APP_SECRET",
        })
    }

    /// All that a platform has to know in secret.
    fn variables(&self) -> Vec<&'static str> {
        let ledger = (self.platform != Platform::None).then_some("BEADLE_LEDGER");
        ledger.into_iter().chain(self.secrets()).collect()
    }
}

fn manifest(choices: &Choices) -> String {
    let mut environment = Environment::new();
    let lines = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(lines.expect("the delimiters are the usual ones"));
    let words: Vec<_> = choices.vendors.iter().map(|vendor| word(*vendor)).collect();
    let late = matches!(choices.platform, Platform::Github | Platform::Gitlab);
    let values = context! {
        name => choices.name.to_string(),
        feishu => choices.has(StarterVendor::Feishu),
        dingtalk => choices.has(StarterVendor::DingTalk),
        enos => choices.has(StarterVendor::Enos),
        several => words.len() > 1,
        vendors => words.join(", "),
        shared => choices.platform != Platform::None,
        late => late.then_some("2h"),
    };
    environment
        .render_str(include_str!("starter/beadle.yaml"), values)
        .expect("the template is ours, and a test renders it with all choices")
}

fn word(vendor: StarterVendor) -> &'static str {
    match vendor {
        StarterVendor::Feishu => "feishu",
        StarterVendor::DingTalk => "dingtalk",
        StarterVendor::Enos => "enos",
    }
}

/// Puts the choices into the markers of a file. GitHub's own braces forbid those of a template engine.
///
/// A marker that stands alone on its line gives its indentation to each line of its text, and takes the
/// line with it when there is none.
fn fill(text: &str, choices: &Choices) -> String {
    let allow = match (choices.has(StarterVendor::Enos), choices.platform) {
        (false, _) | (_, Platform::None) => String::new(),
        (true, Platform::Github) => format!("env:\n  BEADLE_ALLOW_HOSTS: {GATEWAY}"),
        (true, Platform::Gitlab) => {
            format!("\nvariables:\n  BEADLE_ALLOW_HOSTS: {GATEWAY} # the host of your gateway")
        }
        (true, Platform::Kubernetes) => {
            format!("- name: BEADLE_ALLOW_HOSTS\n  value: {GATEWAY} # the host of your gateway")
        }
    };
    let mut secrets: Vec<String> = choices
        .secrets()
        .map(|name| format!("{name}: ${{{{ secrets.{name} }}}}"))
        .collect();
    if choices.has(StarterVendor::Enos) {
        secrets.push(format!(
            "BEADLE_ALLOW_HOSTS: {GATEWAY} # the host of your gateway"
        ));
    }
    let markers = [
        ("@IMAGE@", choices.image.clone()),
        ("@VARIABLES@", choices.variables().join(", ")),
        ("@SECRETS@", secrets.join("\n")),
        ("@ALLOW@", allow),
    ];
    let mut filled = String::with_capacity(text.len());
    for line in text.lines() {
        let alone = markers.iter().find(|(marker, _)| line.trim() == *marker);
        match alone {
            Some((_, block)) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                for line in block.lines() {
                    filled.push_str(format!("{indent}{line}").trim_end());
                    filled.push('\n');
                }
            }
            None => {
                let mut line = line.to_owned();
                for (marker, inline) in &markers {
                    line = line.replace(marker, inline);
                }
                filled.push_str(&line);
                filled.push('\n');
            }
        }
    }
    filled
}

/// What to do next, as commands that work as they stand. `cd` is what leads into the folder, if anything
/// has to.
pub(super) fn next_steps(choices: &Choices, cd: Option<&str>) -> String {
    let mut text = String::from("\nTry it, with the vendors played by beadle itself:\n\n");
    let allow = format!("export BEADLE_ALLOW_HOSTS={GATEWAY}");
    let mut lines: Vec<String> = cd.map(|cd| format!("cd {cd}")).into_iter().collect();
    lines.extend(choices.has(StarterVendor::Enos).then_some(allow));
    lines.extend(REHEARSAL.map(str::to_owned));
    text.push_str(&indented(&lines));
    text.push_str(
        "\nFor your own tenant, put your ids into beadle.yaml where it says \"yours\", then:\n\n",
    );
    let mut lines: Vec<String> = Vec::new();
    for name in choices.variables() {
        let value = match name {
            "BEADLE_LEDGER" => "postgres://user:password@host/db",
            _ => "…",
        };
        lines.push(format!("export {name}={value}"));
    }
    lines.extend(["beadle doctor", "beadle plan", "beadle apply"].map(str::to_owned));
    text.push_str(&indented(&lines));
    let variables = choices.variables().join(", ");
    let image = format!(
        "push an image with beadle, which its Dockerfile makes, to where the files look for\nit, {},",
        choices.image
    );
    match choices.platform {
        Platform::None => {}
        Platform::Github => text.push_str(&format!(
            "\nFor GitHub Actions, {image} and give the repository the secrets\n{variables}.\n"
        )),
        Platform::Gitlab => text.push_str(&format!(
            "\nFor GitLab CI, {image} give the project the variables\n{variables},\n\
             and make the two schedules that .gitlab-ci.yml names.\n"
        )),
        Platform::Kubernetes => {
            let literals: Vec<_> = choices
                .variables()
                .iter()
                .map(|name| format!("--from-literal={name}=\"${name}\""))
                .collect();
            let secret = literals.join(" ");
            text.push_str(&format!(
                "\nFor Kubernetes, {image} then:\n\n  \
                 kubectl create secret generic beadle {secret}\n  kubectl apply -k .\n"
            ));
        }
    }
    text
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORMS: [Platform; 4] = [
        Platform::Github,
        Platform::Gitlab,
        Platform::Kubernetes,
        Platform::None,
    ];

    fn choices(vendors: &[StarterVendor], platform: Platform) -> Choices {
        Choices {
            name: Name::new("notices").unwrap(),
            vendors: vendors.to_vec(),
            platform,
            image: "registry.example.com/beadle:1".to_owned(),
        }
    }

    #[test]
    fn no_marker_is_left_whatever_is_chosen() {
        use StarterVendor::{DingTalk, Enos, Feishu};
        for platform in PLATFORMS {
            for vendors in [
                &[Feishu][..],
                &[DingTalk],
                &[Enos],
                &[Feishu, DingTalk, Enos],
            ] {
                for file in files(&choices(vendors, platform)) {
                    let Written { path, text } = file;
                    for marker in ["@IMAGE@", "@VARIABLES@", "@SECRETS@", "@ALLOW@", "{%"] {
                        assert!(!text.contains(marker), "{path}: {marker}");
                    }
                    assert!(!text.contains("\n\n\n"), "{path}:\n{text}");
                    assert!(
                        text.ends_with('\n') && !text.ends_with("\n\n"),
                        "{path}:\n{text}"
                    );
                }
            }
        }
    }
}
