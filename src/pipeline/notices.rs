//! What a message that wants no answer does: it takes work back, or answers what was asked.

use std::sync::Arc;

use crate::guard::refusal::Refusal;
use crate::guard::validate::Notice;
use crate::mcp::legacy::session::Session;
use crate::proto::jsonrpc::Id;

/// Why there is no answer, where the client's cannot be taken.
const UNFIT: &str = "its answer cannot be taken";

/// Does what `notice` says in the session that it came in.
///
/// # Errors
/// It is a response that cannot be taken. Who waits for it has been told.
pub(super) fn heed(notice: Notice, session: Option<&Arc<Session>>) -> Result<(), Refusal> {
    match notice {
        Notice::Cancelled(id) => {
            if let Some(session) = session {
                session.cancel(&id);
            }
        }
        Notice::Answered(id, outcome) => {
            if let Some(session) = session {
                session.answer(&id, outcome);
            }
        }
        Notice::Unfit(id, fault) => {
            give_up(id.as_ref(), session);
            return Err(Refusal::malformed(fault));
        }
        Notice::Other => {}
    }
    Ok(())
}

/// Tells who has asked `asked` of the client that its answer has come and cannot be taken.
pub(super) fn give_up(asked: Option<&Id>, session: Option<&Arc<Session>>) {
    if let (Some(session), Some(id)) = (session, asked) {
        session.answer(id, Err(UNFIT.to_owned()));
    }
}
