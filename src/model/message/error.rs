//! Why a message cannot be rendered, or cannot go to somebody.

use crate::model::manifest::Vendor;
use crate::model::{Diagnostic, Span};

/// Whom a message goes to, as far as its shape depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A chat.
    Chat,
    /// People, departments, or everybody.
    People,
}

/// Why a vendor cannot carry a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Beadle knows no chats of this vendor.
    NoChats,
    /// The message has only blocks for other vendors.
    Nothing,
    /// The vendor has no message of this kind: the key under `message`.
    NoKind(&'static str),
    /// The image is of another vendor, or a file that nobody uploads there.
    ForeignImage,
    /// Page `batch_send`: what only a message to one chat may have: a tag, or a style.
    OnlyToChats(&'static str),
    /// Page `the-robot-sends-a-group-message`: a kind that a robot has no template for, as beadle writes it.
    OnlyToPeople(&'static str),
}

impl Why {
    /// What is wrong and what to do.
    #[must_use]
    pub fn diagnostic(self, vendor: Vendor, span: Span) -> Diagnostic {
        let name = title(vendor);
        let (code, summary, help) = match self {
            Why::NoChats => (
                "no-chats",
                format!("beadle sends to no chats of {name}"),
                "Send it to people there; chats are those of Feishu, and groups those of DingTalk.".to_owned(),
            ),
            Why::Nothing => (
                "nothing-for-vendor",
                format!("the message says nothing to people of {name}"),
                format!(
                    "Add `text:` or `markdown:` for everybody, or a block `{}:`.",
                    vendor.as_str()
                ),
            ),
            Why::NoKind(kind) => (
                "unfit-kind",
                format!("{name} has no message that carries `{kind}`"),
                format!(
                    "Say it in `text:` or `markdown:`, or add a block `{}:` with what people there get instead.",
                    vendor.as_str()
                ),
            ),
            Why::ForeignImage => (
                "unfit-image",
                format!("{name} does not take this image"),
                match vendor {
                    Vendor::Feishu => "Feishu takes `image: { file: PATH }` or an image_key, `img_…`.",
                    Vendor::DingTalk => "Beadle uploads nothing to DingTalk: upload the image there and write `image: { media_id: … }`, or a block `dingtalk:`.",
                    Vendor::Enos => "A notice of EnOS is text; add a block `enos:` with what people there get instead.",
                }
                .to_owned(),
            ),
            Why::OnlyToPeople(kind) => (
                "only-to-people",
                format!("beadle sends no `{kind}` to groups of DingTalk"),
                "Say it in `text:` or `markdown:`; or write a notice of its own for the group."
                    .to_owned(),
            ),
            Why::OnlyToChats(what) => (
                "only-to-chats",
                format!("a message that Feishu sends to people has no {what}"),
                "Send it to a chat, or write it as `markdown:`, which becomes a card.".to_owned(),
            ),
        };
        Diagnostic::error(code, span, summary).help(help)
    }
}

fn title(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Feishu => "Feishu",
        Vendor::DingTalk => "DingTalk",
        Vendor::Enos => "EnOS",
    }
}

/// Why a message cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// The vendor cannot carry it.
    CannotCarry {
        /// The vendor.
        vendor: Vendor,
        /// Why.
        why: Why,
        /// The place to blame.
        span: Span,
    },
    /// A template is wrong.
    Template {
        /// Where.
        span: Span,
        /// What is wrong: a lowercase fragment.
        summary: String,
        /// What to do.
        help: String,
    },
    /// Nothing is left of a text that the vendor needs.
    Empty {
        /// Where the text stands.
        span: Span,
        /// What it is, such as `title`.
        what: String,
    },
    /// A part is longer than the vendor takes.
    TooLong {
        /// Where it stands.
        span: Span,
        /// What it is.
        what: String,
        /// How many characters it has.
        count: usize,
        /// The most it may have.
        limit: usize,
        /// The vendor's page.
        page: &'static str,
    },
    /// A part is not what the vendor takes.
    Unfit {
        /// Where it stands.
        span: Span,
        /// What is wrong: a lowercase fragment.
        summary: String,
        /// The vendor's page.
        page: &'static str,
    },
    /// The whole is larger than the vendor takes.
    TooLarge {
        /// The message.
        span: Span,
        /// The vendor.
        vendor: Vendor,
        /// Its bytes, as the vendor counts them.
        size: usize,
        /// The most it may have.
        limit: usize,
        /// The vendor's page.
        page: &'static str,
    },
}

impl RenderError {
    /// What is wrong, where, and what to do.
    #[must_use]
    pub fn diagnostic(self) -> Diagnostic {
        match self {
            RenderError::CannotCarry { vendor, why, span } => why.diagnostic(vendor, span),
            RenderError::Template {
                span,
                summary,
                help,
            } => Diagnostic::error("bad-template", span, summary).help(help),
            RenderError::Empty { span, what } => {
                Diagnostic::error("empty-text", span, format!("nothing is left of `{what}`"))
                    .help("Check its template: what is sent has to say something.")
            }
            RenderError::TooLong {
                span,
                what,
                count,
                limit,
                page,
            } => Diagnostic::error(
                "text-too-long",
                span,
                format!("`{what}` has at most {limit} characters, this one has {count}"),
            )
            .help(format!("Shorten it (page `{page}`).")),
            RenderError::Unfit {
                span,
                summary,
                page,
            } => Diagnostic::error("unfit-text", span, summary)
                .help(format!("See the vendor's page `{page}`.")),
            RenderError::TooLarge {
                span,
                vendor,
                size,
                limit,
                page,
            } => Diagnostic::error(
                "message-too-large",
                span,
                format!(
                    "{} takes at most {limit} bytes of such a message, this one has {size}",
                    title(vendor)
                ),
            )
            .help(format!(
                "Shorten it, or link to a document (page `{page}`). A Chinese character counts three bytes."
            )),
        }
    }
}
