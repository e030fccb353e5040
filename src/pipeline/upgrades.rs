//! How a connection goes over to WebSocket, and the tickets that pages do it with.

use std::net::IpAddr;
use std::sync::Arc;

use super::answer::{Answer, Reply};
use super::exchange::Ending;
use super::replies::{refuse, version_of};
use super::road::{Entered, Parts};
use super::seats::{Seat, TOO_MANY_CONNECTIONS};
use crate::base::clock::Now;
use crate::base::principal::Principal;
use crate::guard::authn::tickets::LIFETIME;
use crate::guard::gate::handshake::{Handshake, SUBPROTOCOL};
use crate::guard::refusal::{Refusal, whole_seconds};
use crate::proto::http1::Head;
use crate::proto::object::Object;

/// What a connection goes over to WebSocket with.
#[derive(Debug)]
pub struct Upgrade {
    /// The last response over HTTP.
    pub reply: Reply,
    /// Who the connection is from.
    pub principal: Arc<Principal>,
    /// Its place among those of the same user.
    pub seat: Seat,
    /// Where it is from: its client, whatever lies between.
    pub address: IpAddr,
}

/// GET: from now on it is WebSocket.
pub(super) fn upgrade(entered: Entered, head: &Head, address: IpAddr) -> Answer {
    let Parts { exchange, metered, cors, .. } = entered.into_parts();
    let Handshake { accept, names_subprotocol } = match Handshake::read(head) {
        Ok(handshake) => handshake,
        Err(refusal) => {
            return Answer::Reply(refuse(exchange, &refusal, None, version_of(head), cors));
        }
    };
    let most = exchange.services().snapshot.load().sessions.sessions_per_principal;
    let Some(seat) = exchange.services().seats.take(metered.principal(), most) else {
        let refusal = &TOO_MANY_CONNECTIONS;
        return Answer::Reply(refuse(exchange, refusal, None, version_of(head), cors));
    };
    let mut headers = vec![
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Accept", accept),
    ];
    if names_subprotocol {
        headers.push(("Sec-WebSocket-Protocol", SUBPROTOCOL.to_owned()));
    }
    let principal = Arc::clone(metered.principal());
    let address = metered.address().unwrap_or(address);
    exchange.finish(&Ending::Done);
    let reply = Reply { headers, cors, ..Reply::empty(101) };
    Answer::Upgrade(Box::new(Upgrade { reply, principal, seat, address }))
}

/// POST: a ticket for who has proved who they are.
pub(super) fn ticket(entered: Entered, head: &Head, now: Now) -> Answer {
    let Parts { exchange, metered, cors, .. } = entered.into_parts();
    let tickets = &exchange.services().tickets;
    let refusal = match tickets.give(metered.principal(), head.header_str("origin"), now) {
        Ok(Some(ticket)) => {
            let mut body = Vec::new();
            let mut object = Object::open(&mut body);
            object.text("ticket", &ticket).number("expires_in", whole_seconds(LIFETIME));
            object.close();
            exchange.finish(&Ending::Done);
            return Answer::Reply(Reply { cors, ..Reply::json(200, body) });
        }
        Ok(None) => Refusal::Overloaded("Too many tickets"),
        Err(_) => Refusal::Unrecorded,
    };
    Answer::Reply(refuse(exchange, &refusal, None, version_of(head), cors))
}
