//! The road of a batch (2025-03-26): each message walks alone, with a record and a count of its
//! own, and the answers come together as one array.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::answer::{Answer, Opening, Reply, Streamed, refusal_line};
use super::calls::outcome::{Outcome, guarded};
use super::calls::waiting::{Heard, Waiting};
use super::exchange::{Ending, Exchange, Transport};
use super::notices::accept;
use super::replies::refuse;
use super::road::CallParts;
use super::services::Services;
use super::snapshot::Snapshot;
use super::work::dispatch::{Work, dispatch};
use super::work::grant::grant;
use crate::backend::context::Context;
use crate::base::clock::Now;
use crate::guard::gate::Accepts;
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::guard::validate::batch::{Element, check, split};
use crate::guard::validate::http::Refused;
use crate::guard::validate::{Call, Incoming};
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::outlet::{Outlet, Wake, Weight};
use crate::proto::http1::response::HeaderBlock;
use crate::proto::jsonrpc::{Id, id_to_answer, is_answered};

/// The answers of a batch, until the last of them is there.
#[derive(Debug)]
pub struct Gathering {
    outlet: Arc<Outlet>,
    /// The stream is of this batch alone, and ends with it.
    is_own: bool,
    /// Bytes of answers that wait for the others; one alone may be larger.
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    answers: Vec<Vec<u8>>,
    /// Bytes of them.
    bytes: usize,
    /// Messages that have not come to an answer, or to none.
    left: usize,
}

impl Gathering {
    fn new(outlet: Arc<Outlet>, is_own: bool, left: usize, most_bytes: usize) -> Arc<Self> {
        let state = Mutex::new(State { answers: Vec::new(), bytes: 0, left });
        Arc::new(Self { outlet, is_own, most_bytes, state })
    }

    /// Keeps room for an answer of so many bytes; false if it is too much beside those that wait.
    fn keep_room(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        let has_room = state.bytes == 0 || state.bytes + bytes <= self.most_bytes;
        state.bytes += if has_room { bytes } else { 0 };
        has_room
    }

    /// One message came to this.
    pub fn answer(&self, outcome: &Outcome, id: &Id, era: Era) {
        let mut json = Vec::new();
        let size = outcome.size();
        if self.keep_room(size) {
            outcome.write(&mut json, id, era);
            return self.step(Some(json), size);
        }
        let error = RpcError::internal("The answers of this batch are too large");
        Outcome::Error(error).write(&mut json, id, era);
        self.add(json);
    }

    /// One message has this answer.
    fn add(&self, json: Vec<u8>) {
        self.step(Some(json), 0);
    }

    /// One message has no answer.
    pub fn pass(&self) {
        self.step(None, 0);
    }

    /// One message is done with; of its answer so many bytes are counted already.
    fn step(&self, json: Option<Vec<u8>>, counted: usize) {
        let answers = {
            let mut state = self.state.lock();
            state.bytes += json.as_ref().map_or(0, Vec::len).saturating_sub(counted);
            state.answers.extend(json);
            state.left = state.left.saturating_sub(1);
            if state.left > 0 {
                return;
            }
            std::mem::take(&mut state.answers)
        };
        if !answers.is_empty() {
            let array = [&b"["[..], &answers.join(&b","[..]), b"]"].concat();
            self.outlet.push(array, Weight::Answer(200));
        }
        if self.is_own {
            self.outlet.end();
        }
    }
}

/// A batch on its road.
pub struct Batch<'b> {
    /// The shared parts.
    pub services: &'b Arc<Services>,
    /// What it is judged by.
    pub snapshot: &'b Arc<Snapshot>,
    /// The session it belongs to.
    pub session: &'b Arc<Session>,
    /// What it came over.
    pub transport: Transport,
    /// Where it is from.
    pub address: Option<IpAddr>,
}

/// A batch over HTTP, as its head was let through.
pub struct Posted {
    /// The request.
    pub exchange: Exchange,
    /// The forms of answer that the client takes.
    pub accepts: Accepts,
    /// What a browser is told.
    pub cors: Option<HeaderBlock>,
}

impl Batch<'_> {
    /// Answers a POST.
    pub fn post(
        &self,
        posted: Posted,
        metered: Metered,
        body: &[u8],
        reader: &Arc<dyn Wake>,
        now: Now,
    ) -> Answer {
        let Posted { exchange, accepts, cors } = posted;
        let refused = |exchange, refusal: &Refusal, cors| {
            Answer::Reply(refuse(exchange, refusal, None, self.session.version, cors))
        };
        let elements = match split(body, self.snapshot.json) {
            Ok(elements) => elements,
            Err(refusal) => return refused(exchange, &refusal, cors),
        };
        let wants_answer = elements.iter().any(is_answered);
        let (number, outlet) = self.session.open_stream();
        let Ok(ticket) = outlet.attach(Arc::clone(reader)) else {
            return refused(exchange, &Refusal::Conflict("The stream is in use"), cors);
        };
        exchange.finish(&Ending::Done);
        self.carry(metered, (elements, body.len()), &outlet, true, accepts.events, now);
        if !wants_answer {
            self.session.forget_stream(number);
            return Answer::Reply(Reply { cors, ..Reply::empty(202) });
        }
        Answer::Stream(Box::new(Streamed {
            outlet,
            ticket,
            number: Some(number),
            opening: Opening::Nothing,
            accepts,
            cors,
            quota: None,
            cancellation: None,
            listener: None,
            place: None,
        }))
    }

    /// Lets each message walk; the answers go into `outlet`. The batch has so many `bytes`.
    pub fn carry(
        &self,
        metered: Metered,
        (elements, bytes): (Vec<Element>, usize),
        outlet: &Arc<Outlet>,
        is_own: bool,
        takes_requests: bool,
        now: Now,
    ) {
        let most_bytes = self.snapshot.outlet.queued_bytes;
        let gathering = Gathering::new(Arc::clone(outlet), is_own, elements.len(), most_bytes);
        let heard = || Heard {
            outlet: Arc::clone(outlet),
            is_own: false,
            takes_requests,
            gathering: Some(Arc::clone(&gathering)),
        };
        let share = bytes / elements.len().max(1);
        for (place, element) in elements.into_iter().enumerate() {
            // The request itself was counted when it came in, and to answer or to take work back is
            // never too much.
            let counted = if place == 0 || !is_answered(&element) {
                Ok(metered.again())
            } else {
                self.snapshot.rate.meter_another(&metered, now)
            };
            let mut exchange = Exchange::begin(self.services, self.transport, self.address, now);
            exchange.set_bytes(share);
            self.element(exchange, (counted, element), heard(), &gathering, now);
        }
    }

    fn element(
        &self,
        mut exchange: Exchange,
        (metered, element): (Result<Metered, Refusal>, Element),
        heard: Heard,
        gathering: &Gathering,
        now: Now,
    ) {
        exchange.set_principal(&self.session.principal);
        let checked = match metered {
            Ok(metered) => check(metered, element, self.session),
            Err(refusal) => {
                return self.refuse(exchange, &refusal, id_to_answer(&element), gathering);
            }
        };
        match checked {
            Ok(Incoming::Call(call)) => self.call(exchange, *call, heard, gathering, now),
            Ok(Incoming::Notice(notice, _)) => {
                accept(exchange, notice, Some(self.session));
                gathering.pass();
            }
            // Messages of a batch are no batches: an array among them was refused as no message.
            Ok(Incoming::Batch(..)) => {
                exchange.finish(&Ending::Done);
                gathering.pass();
            }
            Err(refused) => {
                let Refused { refusal, id, method, .. } = *refused;
                if let Some(method) = method {
                    exchange.set_call(method, None);
                }
                self.refuse(exchange, &refusal, id.as_ref(), gathering);
            }
        }
    }

    fn call(
        &self,
        mut exchange: Exchange,
        call: Call,
        heard: Heard,
        gathering: &Gathering,
        now: Now,
    ) {
        exchange.set_call(call.method(), call.target());
        let parts = CallParts::of(&call);
        let work = grant(self.services, self.snapshot, call, now)
            .and_then(|grant| dispatch(self.services, self.snapshot, grant, None));
        let waiting = Waiting { exchange, snapshot: Arc::clone(self.snapshot), parts };
        let (waiting, refusal) = match work {
            Ok(Work::Quick(run)) => {
                let Waiting { exchange, parts, .. } = waiting;
                let CallParts { id, version, principal, wishes, .. } = parts;
                let context = Context::new(principal, version, Arc::default(), None, wishes)
                    .announcing(Arc::clone(self.services) as Arc<_>);
                let outcome =
                    guarded(|| run(&context)).unwrap_or_else(|f| Outcome::failed(f, version));
                exchange.finish(&outcome.ending());
                return gathering.answer(&outcome, &id, version.era());
            }
            Ok(Work::Blocking(work)) => match waiting.begin(work, heard, &Arc::default(), now) {
                Ok(()) => return,
                Err(refused) => *refused,
            },
            Ok(Work::Listen(_) | Work::Initialize | Work::Await(_)) => {
                (waiting, Refusal::Conflict("This cannot be part of a batch"))
            }
            Err(refusal) => (waiting, refusal),
        };
        self.refuse(waiting.exchange, &refusal, Some(&waiting.parts.id), gathering);
    }

    fn refuse(
        &self,
        exchange: Exchange,
        refusal: &Refusal,
        id: Option<&Id>,
        gathering: &Gathering,
    ) {
        exchange.finish(&Ending::Refused(refusal, self.session.version.era()));
        gathering.add(refusal_line(refusal, id, self.session.version));
    }
}
