//! What lives as long as the process and is shared by all requests. The threads that write the
//! audit file, run handlers and keep time are known only by what they can be asked.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use super::calls::permits::Calls;
use super::calls::task::Task;
use super::calls::tasks::Tasks;
use super::event_sessions::EventSessions;
use super::record::Record;
use super::seats::Seats;
use super::snapshot::Snapshot;
use super::work::tasks::{write_brief, write_detailed};
use super::work::tools::writer;
use crate::backend::context::Announce;
use crate::base::clock::{Now, unix_seconds};
use crate::base::counters::Counters;
use crate::base::ids::{NoRandomness, RequestIds};
use crate::base::principal::Principal;
use crate::guard::authn::tickets::Tickets;
use crate::guard::blocks::Blocks;
use crate::mcp::cursor::Cursors;
use crate::mcp::legacy::table::Sessions;
use crate::mcp::request_state::RequestStates;
use crate::mcp::subscriptions::{Change, Subscriptions, TaskNotice};
use crate::proto::object::Object;

pub use crate::guard::authn::inquiry::Errand;

/// Where audit records go.
pub trait Audit: Send + Sync {
    /// Takes a record, or says that it cannot. Never waits.
    fn record(&self, record: Record) -> bool;

    /// False while records cannot be taken or written: then nothing new is begun.
    fn is_able(&self) -> bool;

    /// Takes no more records; what was taken is still written.
    fn close(&self);
}

/// Something to be done on a thread that may block.
pub type Job = Box<dyn FnOnce() + Send>;

/// Where jobs go.
pub trait Jobs: Send + Sync {
    /// Takes a job, or gives it back if too many wait. Never waits.
    fn submit(&self, job: Job) -> Result<(), Job>;
}

/// Where requests to other servers go.
pub trait Outbound: Send + Sync {
    /// Takes an errand that must be run by whoever may block. Never waits; an errand that cannot
    /// be taken has failed, which is told to who has asked.
    fn send(&self, errand: Errand);
}

/// Something that has a deadline.
pub trait Expire: Send + Sync {
    /// The deadline has passed.
    fn expire(&self, now: Now);
}

/// Who keeps time.
pub trait Timer: Send + Sync {
    /// Asks for `expire` at or soon after `at`, unless the target is gone by then.
    fn arm(&self, at: Now, target: Weak<dyn Expire>);
}

/// The shared parts; see the module.
pub struct Services {
    /// Counters.
    pub counters: Counters,
    /// Networks that are shut out.
    pub blocks: Blocks,
    /// Legacy sessions.
    pub sessions: Sessions,
    /// What pages open a WebSocket with.
    pub tickets: Tickets,
    /// Connections of messages, by user.
    pub seats: Arc<Seats>,
    /// Streams of the transport before Streamable HTTP.
    pub event_sessions: EventSessions,
    /// Who hears of changes.
    pub subscriptions: Subscriptions,
    /// Maker of cursors.
    pub cursors: Cursors,
    /// Sealer of what modern calls must remember.
    pub request_states: RequestStates,
    /// Calls that have become tasks.
    pub tasks: Tasks,
    /// Maker of request ids.
    pub request_ids: RequestIds,
    /// Calls that wait.
    pub calls: Arc<Calls>,
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The audit thread.
    pub audit: Box<dyn Audit>,
    /// The handler threads.
    pub jobs: Box<dyn Jobs>,
    /// The threads that ask other servers.
    pub outbound: Arc<dyn Outbound>,
    /// The reactor, as keeper of time.
    pub timer: Arc<dyn Timer>,
}

impl Services {
    /// Fresh shared parts with `snapshot` in force.
    pub fn new(
        snapshot: Snapshot,
        audit: Box<dyn Audit>,
        jobs: Box<dyn Jobs>,
        outbound: Arc<dyn Outbound>,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            counters: Counters::default(),
            blocks: Blocks::default(),
            sessions: Sessions::default(),
            tickets: Tickets::default(),
            seats: Arc::default(),
            event_sessions: EventSessions::default(),
            subscriptions: Subscriptions::default(),
            cursors: Cursors::new()?,
            request_states: RequestStates::new()?,
            tasks: Tasks::default(),
            request_ids: RequestIds::new()?,
            calls: Arc::default(),
            snapshot: ArcSwap::from_pointee(snapshot),
            audit,
            jobs,
            outbound,
            timer,
        })
    }

    /// Tells all listeners of a change whom the present policy lets hear of it.
    pub fn publish(&self, change: &Change) {
        let snapshot = self.snapshot.load();
        let vouches = vouching(&snapshot);
        self.subscriptions.publish(change, |principal, _| {
            vouches(principal) && snapshot.may_hear(principal, change)
        });
    }

    /// Tells those who listen to a task, and whom the present policy lets see it, how it stands.
    pub fn publish_task(&self, task: &Task) {
        let snapshot = self.snapshot.load();
        let vouches = vouching(&snapshot);
        let may_see =
            |principal: &Principal| vouches(principal) && snapshot.may_call(principal, task.tool());
        let subject = task.subject();
        let status = task.status();
        let writer = writer(&snapshot, subject.version);
        let params = |write: &dyn Fn(&mut Object<'_>)| {
            let mut params = Vec::new();
            let mut object = Object::open(&mut params);
            write(&mut object);
            object.close();
            params
        };
        let brief = params(&|object| write_brief(object, task, &status, writer.version));
        if let Some(session) = &subject.session {
            if may_see(&session.listener.principal.load()) {
                session.listener.tell_task("notifications/tasks/status", &brief);
            }
        } else if self.subscriptions.is_task_heard(task.id_text(), &subject.principal) {
            let full = params(&|object| write_detailed(object, task, &status, &writer));
            let notice = TaskNotice { id: task.id_text(), full: &full, brief: &brief };
            self.subscriptions.publish_task(&notice, &subject.principal, may_see);
        }
    }

    /// Puts the next configuration in force and tells listeners what it changed.
    pub fn replace(&self, next: Snapshot) {
        let former = self.snapshot.swap(Arc::new(next));
        let present = self.snapshot.load();
        self.let_go();
        if !former.catalog.has_same_tools(&present.catalog) {
            self.publish(&Change::Tools);
        }
        if !former.catalog.has_same_prompts(&present.catalog) {
            self.publish(&Change::Prompts);
        }
        self.publish(&Change::Resources);
    }
}

impl Services {
    /// Ends the streams of those whom nobody vouches for any more.
    pub fn let_go(&self) {
        let snapshot = self.snapshot.load();
        let vouches = vouching(&snapshot);
        self.subscriptions.end_unknown(&vouches);
        self.event_sessions.end_unknown(&vouches);
    }
}

/// Asks whether a principal could still prove itself, at this moment.
fn vouching(snapshot: &Snapshot) -> impl Fn(&Principal) -> bool {
    let (unix_seconds, now) = (unix_seconds(), Now::read());
    move |principal| snapshot.authentication.vouches_for(principal, unix_seconds, now)
}

impl Announce for Services {
    fn announce(&self, change: &Change) {
        self.publish(change);
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("counters", &self.counters).finish_non_exhaustive()
    }
}
