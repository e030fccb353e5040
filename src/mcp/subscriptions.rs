//! Who wants to hear of which change, and the fan-out to them. Notices are droppable: a reader that
//! is slow misses repetitions, and no publisher ever waits.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::meta::SUBSCRIPTION_ID;
use super::outlet::{Outlet, Push, Weight};
use crate::base::principal::Principal;
use crate::proto::jsonrpc::{Id, write_notification};

/// Something that clients may have been told differently before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The contents of the resource with this URI.
    Resource(String),
}

/// The kinds of change a listener wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Changes of the list of tools.
    pub tools: bool,
    /// Changes of the list of prompts.
    pub prompts: bool,
    /// Changes of the list of resources.
    pub resources: bool,
    /// Changes of these resources.
    pub uris: BTreeSet<String>,
    /// Changes of these tasks.
    pub tasks: BTreeSet<String>,
}

impl Filter {
    /// What a legacy client gets unasked: changes of the lists.
    pub fn lists() -> Self {
        Self { tools: true, prompts: true, resources: true, ..Self::default() }
    }

    fn wants(&self, change: &Change) -> bool {
        match change {
            Change::Tools => self.tools,
            Change::Prompts => self.prompts,
            Change::Resources => self.resources,
            Change::Resource(uri) => self.uris.contains(uri),
        }
    }
}

/// How a task stands, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct TaskNotice<'t> {
    /// Of the task.
    pub id: &'t str,
    /// The task with what belongs to its state.
    pub full: &'t [u8],
    /// Without that, for a stream that has no room for it.
    pub brief: &'t [u8],
}

/// One listener: a legacy session, or a `subscriptions/listen` request.
#[derive(Debug)]
pub struct Listener {
    /// Who listens; asked again at every change whether it may. A newer proof takes the place of an
    /// older one.
    pub principal: ArcSwap<Principal>,
    /// What it wants.
    pub filter: Mutex<Filter>,
    /// Where notices go.
    pub outlet: Arc<Outlet>,
    /// The listen request that every notice must name (modern era).
    pub subscription: Option<Id>,
    /// What is held as long as it listens: its place among the calls that wait.
    pub place: Mutex<Option<Box<dyn Place>>>,
}

/// Something that is counted as long as it is held.
pub trait Place: std::fmt::Debug + Send + Sync {}

impl Listener {
    /// A notice of `change`, as this listener reads it.
    fn notice(&self, change: &Change) -> Vec<u8> {
        let method = match change {
            Change::Tools => "notifications/tools/list_changed",
            Change::Prompts => "notifications/prompts/list_changed",
            Change::Resources => "notifications/resources/list_changed",
            Change::Resource(_) => "notifications/resources/updated",
        };
        let mut params = serde_json::Map::new();
        if let Change::Resource(uri) = change {
            params.insert("uri".into(), json!(uri));
        }
        self.notification(method, params)
    }

    /// Tells the client how a task stands; `params` is the task, as JSON.
    pub fn tell_task(&self, method: &str, params: &[u8]) -> Push {
        let mut json = Vec::new();
        write_notification(&mut json, method, params);
        self.outlet.push(json, Weight::Notice)
    }

    /// The listener has proved itself anew.
    pub fn renew(&self, principal: &Arc<Principal>) {
        if !Arc::ptr_eq(&self.principal.load(), principal) {
            self.principal.store(Arc::clone(principal));
        }
    }

    fn wants_task(&self, id: &str, principal: &Principal) -> bool {
        self.subscription.is_some()
            && self.principal.load().key == principal.key
            && self.filter.lock().tasks.contains(id)
    }

    /// The same under the subscription, which every notice must name.
    fn tell_own_task(&self, params: &[u8]) -> Push {
        let subscription = self.subscription.as_ref().map(Id::to_value);
        let meta = json!({ SUBSCRIPTION_ID: subscription });
        // Opened at its end, for what only this listener is told.
        let mut own = params.strip_suffix(b"}").unwrap_or(params).to_vec();
        own.extend_from_slice(format!(",\"_meta\":{meta}}}").as_bytes());
        self.tell_task("notifications/tasks", &own)
    }

    /// Tells the client which part of its wishes is honoured.
    fn acknowledge(&self, filter: &Filter) {
        let mut wishes = serde_json::Map::new();
        for (key, wanted) in [
            ("toolsListChanged", filter.tools),
            ("promptsListChanged", filter.prompts),
            ("resourcesListChanged", filter.resources),
        ] {
            if wanted {
                wishes.insert(key.into(), json!(true));
            }
        }
        if !filter.tasks.is_empty() {
            wishes.insert("taskIds".into(), json!(filter.tasks));
        }
        if !filter.uris.is_empty() {
            wishes.insert("resourceSubscriptions".into(), json!(filter.uris));
        }
        let mut params = serde_json::Map::new();
        params.insert("notifications".into(), Value::Object(wishes));
        let json = self.notification("notifications/subscriptions/acknowledged", params);
        self.outlet.push(json, Weight::Kept);
    }

    fn notification(&self, method: &str, mut params: serde_json::Map<String, Value>) -> Vec<u8> {
        if let Some(id) = &self.subscription {
            params.insert("_meta".into(), json!({ SUBSCRIPTION_ID: id.to_value() }));
        }
        let mut out = Vec::new();
        if params.is_empty() {
            write_notification(&mut out, method, b"");
        } else {
            write_notification(&mut out, method, Value::Object(params).to_string().as_bytes());
        }
        out
    }
}

/// All listeners. Their number is bounded by the bounds on sessions and on parked calls.
#[derive(Debug, Default)]
pub struct Subscriptions {
    listeners: Mutex<Vec<Weak<Listener>>>,
}

impl Subscriptions {
    /// Adds a listener; it is forgotten when its last owner drops it.
    pub fn add(&self, listener: &Arc<Listener>) {
        let mut listeners = self.listeners.lock();
        if listeners.len() == listeners.capacity() {
            listeners.retain(|listener| listener.strong_count() > 0);
        }
        listeners.push(Arc::downgrade(listener));
    }

    /// Adds a listener and acknowledges its request: it misses no change that happens after the
    /// acknowledgement, and hears of none before it.
    pub fn acknowledge(&self, listener: &Arc<Listener>) {
        // Whoever publishes waits here before it knows whether this listener wants the change.
        let filter = listener.filter.lock();
        self.add(listener);
        listener.acknowledge(&filter);
    }

    /// Tells all who want to hear of `change` and whom `allowed` lets hear of it.
    pub fn publish(&self, change: &Change, allowed: impl Fn(&Principal, &Change) -> bool) {
        for listener in self.live() {
            let wanted = listener.filter.lock().wants(change);
            if wanted && allowed(&listener.principal.load(), change) {
                listener.outlet.push(listener.notice(change), Weight::Notice);
            }
        }
    }

    /// True if `principal` has a listener that wants to hear of a task.
    pub fn is_task_heard(&self, id: &str, principal: &Principal) -> bool {
        self.live().iter().any(|listener| listener.wants_task(id, principal))
    }

    /// Tells the listeners of `principal` that want to hear of it, and whom `allowed` lets hear of
    /// it, how a task stands.
    pub fn publish_task(
        &self,
        notice: &TaskNotice<'_>,
        principal: &Principal,
        allowed: impl Fn(&Principal) -> bool,
    ) {
        for listener in self.live() {
            if !listener.wants_task(notice.id, principal) || !allowed(&listener.principal.load()) {
                continue;
            }
            if listener.tell_own_task(notice.full) == Push::Dropped {
                listener.tell_own_task(notice.brief);
            }
        }
    }

    /// Ends the streams of all whom `is_known` does not know any more. That of a session can be
    /// opened again by who proves itself anew.
    pub fn end_unknown(&self, is_known: impl Fn(&Principal) -> bool) {
        for listener in self.live() {
            if is_known(&listener.principal.load()) {
                continue;
            }
            match listener.subscription {
                Some(_) => listener.outlet.end(),
                None => listener.outlet.dismiss(),
            }
        }
    }

    /// All resources that somebody subscribes to.
    pub fn uris(&self) -> BTreeSet<String> {
        let live = self.live();
        live.iter().flat_map(|listener| listener.filter.lock().uris.clone()).collect()
    }

    /// Ends all `subscriptions/listen` requests as the specification wants a graceful end: with a
    /// result, which `result` writes for the id of the subscription.
    pub fn end_all(&self, result: impl Fn(&Id) -> Vec<u8>) {
        for listener in self.live() {
            if let Some(id) = &listener.subscription {
                listener.outlet.push(result(id), Weight::Answer(200));
                listener.place.lock().take();
            }
        }
    }

    /// True if nobody listens.
    pub fn is_empty(&self) -> bool {
        self.listeners.lock().iter().all(|listener| listener.strong_count() == 0)
    }

    fn live(&self) -> Vec<Arc<Listener>> {
        self.listeners.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::principal::AuthMethod;
    use crate::mcp::outlet::{OutletLimits, Wake};

    struct Deaf;
    impl Wake for Deaf {
        fn wake(&self) {}
    }

    fn listener(filter: Filter, subscription: Option<Id>) -> Arc<Listener> {
        Arc::new(Listener {
            principal: ArcSwap::from_pointee(Principal::new(AuthMethod::Local, "u", vec![])),
            filter: Mutex::new(filter),
            outlet: Arc::new(Outlet::new(OutletLimits { queued_bytes: 1_000, replay_bytes: 0 })),
            subscription,
            place: Mutex::new(None),
        })
    }

    fn heard(listener: &Listener) -> Vec<Value> {
        let ticket = listener.outlet.attach(Arc::new(Deaf)).unwrap();
        let taken = listener.outlet.take(ticket, 10_000);
        taken.frames.iter().map(|f| serde_json::from_slice(&f.json).unwrap()).collect()
    }

    #[test]
    fn a_listen_stream_hears_only_what_it_asked_for_and_under_its_id() {
        let hub = Subscriptions::default();
        let uris = BTreeSet::from(["a:b".to_owned()]);
        let one = listener(Filter { tools: true, uris, ..Filter::default() }, Some(Id::Number(0)));
        hub.acknowledge(&one);
        for change in [
            Change::Prompts,
            Change::Tools,
            Change::Tools,
            Change::Resource("c:d".into()),
            Change::Resource("a:b".into()),
        ] {
            hub.publish(&change, |_, _| true);
        }
        let heard = heard(&one);
        assert_eq!(heard.len(), 3, "acknowledgement, one change of tools, one resource");
        assert_eq!(
            heard[0]["params"]["notifications"],
            json!({"toolsListChanged": true, "resourceSubscriptions": ["a:b"]})
        );
        assert_eq!(heard[2]["params"]["uri"], "a:b");
        for message in &heard {
            assert_eq!(message["params"]["_meta"][SUBSCRIPTION_ID], json!(0));
        }
    }

    /// Looks, at the moment of the acknowledgement, who is registered.
    struct Looking(Arc<Subscriptions>, Arc<Mutex<Option<usize>>>);
    impl Wake for Looking {
        fn wake(&self) {
            self.1.lock().get_or_insert(self.0.live().len());
        }
    }

    #[test]
    fn a_listener_is_registered_before_it_is_told_so() {
        let hub = Arc::new(Subscriptions::default());
        let one = listener(Filter::lists(), Some(Id::Number(1)));
        let seen = Arc::new(Mutex::new(None));
        one.outlet.attach(Arc::new(Looking(Arc::clone(&hub), Arc::clone(&seen)))).unwrap();
        hub.acknowledge(&one);
        assert_eq!(*seen.lock(), Some(1));
    }

    #[test]
    fn who_may_not_hear_does_not_and_the_dropped_are_forgotten() {
        let hub = Subscriptions::default();
        let one = listener(Filter::lists(), None);
        hub.add(&one);
        hub.publish(&Change::Tools, |_, _| false);
        assert!(heard(&one).is_empty());
        drop(one);
        for _ in 0..100 {
            hub.add(&listener(Filter::lists(), None));
        }
        assert!(hub.listeners.lock().len() < 100);
    }
}
