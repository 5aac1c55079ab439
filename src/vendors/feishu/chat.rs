//! Chats: whether the app's bot is in one.

use super::Feishu;
use super::call::Ask;
use super::wire::{InChat, data};
use crate::engine::ApiError;
use crate::model::ChatId;
use crate::vendors::limits::IS_IN_CHAT;

/// Asks whether the bot is in a chat. The list of members leaves bots out, so this is the way.
pub(super) async fn is_in(feishu: &Feishu, chat: &ChatId) -> Result<bool, ApiError> {
    let ids = [chat.as_str()];
    let ask = Ask::new(IS_IN_CHAT).ids(&ids);
    let answer: InChat = feishu.call(&ask, data).await?;
    Ok(answer.is_in_chat)
}
