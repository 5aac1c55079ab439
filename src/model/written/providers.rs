//! The block `providers`: the vendors' apps, each in its vendor's shape.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::model::shape::{
    Reader, Secret, Shape, Spanned, Text, did_you_mean, shape, shorten, words,
};
use crate::model::yaml::{NodeId, Yaml};
use crate::model::{Diagnostic, Name, Span};

/// The block `providers`: what a name implies decides the shape of what stands under it.
#[derive(Debug)]
pub(crate) struct Providers(pub(crate) Vec<(Name, Span, Option<Provider>)>);

/// The vendors by their words.
pub(crate) const VENDORS: [&str; 3] = ["feishu", "dingtalk", "enos"];

/// One block of `providers`.
#[derive(Debug)]
pub(crate) enum Provider {
    Feishu(FeishuProvider),
    DingTalk(DingTalkProvider),
    Enos(EnosProvider),
}

shape! {
    /// An app at Feishu or Lark.
    pub(crate) struct FeishuProvider {
        /// The vendor: `feishu`, which is Lark too.
        vendor: Spanned<Text>,
        /// `https://open.feishu.cn` or `https://open.larksuite.com`.
        [default = "https://open.feishu.cn"]
        base_url: Spanned<Text>,
        /// The app's id, `cli_…`.
        [required]
        app_id: Spanned<Text>,
        /// The app's secret, as `${env:NAME}` or `${file:PATH}`.
        [required]
        app_secret: Secret,
    }
}

shape! {
    /// An app at DingTalk.
    pub(crate) struct DingTalkProvider {
        /// The vendor: `dingtalk`.
        vendor: Spanned<Text>,
        /// `https://api.dingtalk.com`.
        [default = "https://api.dingtalk.com"]
        base_url: Spanned<Text>,
        /// The app's agent id.
        agent_id: Spanned<Text>,
        /// The code of the app's robot, as which it sends to groups.
        robot_code: Spanned<Text>,
        /// The app's key.
        [required]
        app_key: Spanned<Text>,
        /// The app's secret, as `${env:NAME}` or `${file:PATH}`.
        [required]
        app_secret: Secret,
        /// The organisation's edition of DingTalk, which decides its limits.
        edition: Spanned<Text>,
    }
}

shape! {
    /// An app at EnOS.
    pub(crate) struct EnosProvider {
        /// The vendor: `enos`.
        vendor: Spanned<Text>,
        /// The address of the deployment's API gateway; its host must be in BEADLE_ALLOW_HOSTS.
        [required]
        base_url: Spanned<Text>,
        /// The organisation's id.
        org_id: Spanned<Text>,
        /// The app's access key.
        [required]
        app_key: Spanned<Text>,
        /// The app's secret, as `${env:NAME}` or `${file:PATH}`.
        [required]
        app_secret: Secret,
    }
}

impl JsonSchema for Providers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Providers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let vendor = |schema: Schema, word: &str, needed: bool| {
            let mut schema = schema.to_value();
            schema["properties"]["vendor"]["const"] = word.into();
            if let Some(vendor) = schema["properties"]["vendor"].as_object_mut() {
                vendor.remove("type");
            }
            if needed && let Some(required) = schema["required"].as_array_mut() {
                required.insert(0, "vendor".into());
            }
            schema
        };
        let feishu = generator.subschema_for::<FeishuProvider>();
        let dingtalk = generator.subschema_for::<DingTalkProvider>();
        let enos = generator.subschema_for::<EnosProvider>();
        json_schema!({
            "type": "object",
            "properties": {
                "feishu": vendor(feishu.clone(), "feishu", false),
                "dingtalk": vendor(dingtalk.clone(), "dingtalk", false),
                "enos": vendor(enos.clone(), "enos", false),
            },
            "additionalProperties": {
                "anyOf": [
                    vendor(feishu, "feishu", true),
                    vendor(dingtalk, "dingtalk", true),
                    vendor(enos, "enos", true),
                ]
            }
        })
    }
}

impl Shape for Providers {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let pairs = reader.map(at)?;
        let mut providers = Vec::new();
        reader.lenient = reader.sandbox;
        for pair in pairs.chunks_exact(2) {
            let span = reader.tree.span(pair[0]);
            let text = reader.tree.key(pair[0]);
            let name = match Name::new(text) {
                Ok(name) => name,
                Err(why) => {
                    reader.push(Diagnostic::error("bad-name", span, why.to_string()));
                    continue;
                }
            };
            let provider = vendor_of(reader, text, pair[0], pair[1]).and_then(|vendor| {
                let (key, at) = (pair[0], pair[1]);
                match vendor {
                    "feishu" => reader.field(key, at).into_option().map(Provider::Feishu),
                    "dingtalk" => reader.field(key, at).into_option().map(Provider::DingTalk),
                    _ => reader.field(key, at).into_option().map(Provider::Enos),
                }
            });
            providers.push((name, span, provider));
        }
        reader.lenient = false;
        Some(Providers(providers))
    }
}

/// The vendor that a provider's name implies or its `vendor` names.
fn vendor_of(reader: &mut Reader<'_>, name: &str, key: NodeId, at: NodeId) -> Option<&'static str> {
    let implied = VENDORS.into_iter().find(|v| *v == name);
    let written = match reader.tree.get(at) {
        Yaml::Map(pairs) => pairs
            .chunks_exact(2)
            .find(|pair| reader.tree.key(pair[0]) == "vendor")
            .map(|pair| (pair[0], pair[1])),
        _ => None,
    };
    let Some((vendor_key, vendor_at)) = written else {
        if implied.is_none() && matches!(reader.tree.get(at), Yaml::Map(_)) {
            let span = reader.tree.span(key);
            reader.push(
                Diagnostic::error(
                    "missing-vendor",
                    span,
                    format!("the provider `{name}` does not say which vendor it is"),
                )
                .help("Add `vendor: feishu`, `vendor: dingtalk` or `vendor: enos`."),
            );
            return None;
        }
        // What is no mapping is reported as such by whichever shape reads it.
        return implied.or(Some("feishu"));
    };
    let text: Spanned<Text> = reader.field(vendor_key, vendor_at).into_option()?;
    let known = VENDORS.into_iter().find(|v| *v == text.value.0);
    let (code, summary, help) = match (known, implied) {
        (Some(vendor), None) => return Some(vendor),
        (Some(vendor), Some(implied)) if vendor == implied => return Some(vendor),
        (Some(vendor), Some(implied)) => (
            "vendor-conflict",
            format!("the name `{implied}` implies the vendor {implied}, not {vendor}"),
            "Give the provider another name, or remove `vendor`.".to_owned(),
        ),
        (None, _) => (
            "unknown-vendor",
            format!("there is no vendor `{}`", shorten(&text.value.0)),
            format!(
                "{}The vendors are {}.",
                did_you_mean(&text.value.0, VENDORS),
                words(VENDORS)
            ),
        ),
    };
    reader.push(Diagnostic::error(code, text.span, summary).help(help));
    None
}
