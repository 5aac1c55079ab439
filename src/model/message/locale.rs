//! Languages of texts.

use std::fmt;

/// A language with its region, such as `zh_CN`. However it was written (`zh-cn`, `zh_cn`), it is kept in
/// the manner of EnOS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(String);

impl Locale {
    /// Reads `zh_cn`, `zh-CN` and the like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (language, region) = text.split_once(['_', '-'])?;
        let letters = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
        let fits = (2..=3).contains(&language.len()) && region.len() == 2;
        (fits && letters(language) && letters(region)).then(|| {
            let (language, region) = (language.to_ascii_lowercase(), region.to_ascii_uppercase());
            Self(format!("{language}_{region}"))
        })
    }

    /// `zh_CN`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `zh_cn`, as Feishu writes it.
    #[must_use]
    pub fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
