//! What a message that wants no answer does: it takes work back, or answers what was asked.

use std::sync::Arc;

use super::exchange::{Ending, Exchange};
use crate::guard::refusal::Refusal;
use crate::guard::validate::Notice;
use crate::mcp::era::Era;
use crate::mcp::legacy::session::Session;

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
        Notice::Unfit(id, refusal) => {
            if let (Some(session), Some(id)) = (session, id) {
                session.answer(&id, Err(UNFIT.to_owned()));
            }
            return Err(refusal);
        }
        Notice::Other => {}
    }
    Ok(())
}

/// The same, and ends its exchange: there is nobody to be told.
pub(super) fn accept(exchange: Exchange, notice: Notice, session: Option<&Arc<Session>>) {
    match heed(notice, session) {
        Ok(()) => exchange.finish(&Ending::Done),
        Err(refusal) => exchange.finish(&Ending::Refused(&refusal, Era::Legacy)),
    }
}
