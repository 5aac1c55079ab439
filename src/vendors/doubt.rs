//! What is to be said of a write in all, when it was tried more than once or had no token to leave with.

use crate::engine::{Answer, ApiError};

/// What is to be said of a write in all, when an attempt before may have had an effect.
pub(crate) fn in_all(doubt: Option<Answer>, last: ApiError) -> ApiError {
    match (doubt, last) {
        (None, last) => last,
        (Some(_), ApiError::Unknown(answer)) => ApiError::Unknown(answer),
        (Some(first), ApiError::Refused(answer)) => ApiError::Unknown(Answer {
            message: format!(
                "{}, but an attempt before may have taken effect ({})",
                answer.message, first.message
            ),
            ..answer
        }),
        (Some(first), ApiError::Unreachable(why)) => ApiError::Unknown(Answer {
            message: format!("{}; after that, could not connect: {why}", first.message),
            ..first
        }),
    }
}

/// What a write is told that got no token: it never left, whatever became of the token's call.
pub(crate) fn unsent(error: ApiError) -> ApiError {
    match error {
        ApiError::Unknown(answer) => {
            let mut why = format!("no token to send it with: {}", answer.message);
            if let Some(status) = answer.status {
                why.push_str(&format!(" (HTTP {status})"));
            }
            if let Some(log_id) = answer.log_id {
                why.push_str(&format!(" (log id {log_id})"));
            }
            ApiError::Unreachable(why)
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_never_unsaid() {
        let first = || {
            Some(Answer {
                message: "no whole answer".into(),
                ..Answer::default()
            })
        };
        let unreachable = ApiError::Unreachable("refused".into());
        let refused = ApiError::Refused(Answer::default());
        for last in [unreachable, refused] {
            assert_eq!(in_all(None, last.clone()), last);
            assert!(matches!(in_all(first(), last), ApiError::Unknown(_)));
        }
    }
}
