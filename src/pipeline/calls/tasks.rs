//! All tasks. Each belongs to its principal; to anyone else it does not exist. They are kept until
//! their time is over, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::task::{Subject, Task};
use crate::base::ids::session_id;
use crate::base::principal::Principal;
use crate::pipeline::services::Services;

/// Bounds of tasks.
#[derive(Clone, Copy, Debug)]
pub struct TaskLimits {
    /// Most tasks, running and finished.
    pub tasks: usize,
    /// Most tasks of one principal.
    pub tasks_per_principal: usize,
    /// Most bytes of results that are kept.
    pub result_bytes: usize,
    /// Most bytes of results of one principal that are kept.
    pub result_bytes_per_principal: usize,
    /// How long a task is kept; a client may ask for less.
    pub ttl: Duration,
    /// How often a client should ask.
    pub poll: Duration,
}

/// All tasks; see the module.
#[derive(Debug, Default)]
pub struct Tasks {
    table: Mutex<Table>,
    is_closing: AtomicBool,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<String, Arc<Task>>,
    /// What each principal has.
    held: HashMap<String, Held>,
    /// Bytes of all results.
    bytes: usize,
}

/// What one principal has.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    tasks: usize,
    /// Of results.
    bytes: usize,
}

/// Why there is no new task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Tasks {
    /// Opens a task; finished ones of the same principal make room for it.
    pub fn open(
        &self,
        services: &Arc<Services>,
        subject: Subject,
        limits: &TaskLimits,
    ) -> Result<Arc<Task>, NoRoom> {
        let id = session_id().map_err(|_| NoRoom)?;
        let task = Arc::new(Task::new(id.clone(), subject, limits.poll, services));
        let principal = &task.subject().principal.key;
        let has_room = |table: &Table| {
            let own = table.held(principal).tasks;
            table.by_id.len() < limits.tasks && own < limits.tasks_per_principal
        };
        let mut table = self.table.lock();
        // Whatever is let go of is dropped when nothing is locked.
        let let_go = if has_room(&table) { None } else { table.take_oldest_final(principal) };
        let is_kept = has_room(&table);
        if is_kept {
            table.held.entry(principal.clone()).or_default().tasks += 1;
            table.by_id.insert(id, Arc::clone(&task));
        }
        drop(table);
        drop(let_go);
        if is_kept { Ok(task) } else { Err(NoRoom) }
    }

    /// The task with this id, if it is `principal`'s.
    pub fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Task>> {
        let task = self.table.lock().by_id.get(id).cloned()?;
        (task.subject().principal.key == principal.key).then_some(task)
    }

    /// All tasks of a principal, oldest first.
    pub fn of(&self, principal: &Principal) -> Vec<Arc<Task>> {
        let is_own = |task: &&Arc<Task>| task.subject().principal.key == principal.key;
        let mut own: Vec<_> = self.table.lock().by_id.values().filter(is_own).cloned().collect();
        own.sort_by(|left, right| {
            (left.created(), left.id_text()).cmp(&(right.created(), right.id_text()))
        });
        own
    }

    /// Ends the tasks that wait for answers of their clients, now and from now on.
    pub fn end_resting(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.table.lock().by_id.values().cloned().collect();
        for task in all.iter().filter(|task| task.is_resting()) {
            task.cancel();
        }
    }

    /// No task may wait for its client any more.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.lock().by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets a task.
    pub(in crate::pipeline) fn remove(&self, id: &str) {
        let removed = self.table.lock().remove(id);
        drop(removed);
    }

    /// Counts a result of `principal` that is to be kept; older ones of the same principal make
    /// room for it. False if that is not enough.
    pub(super) fn make_room(&self, size: usize, principal: &str, limits: &TaskLimits) -> bool {
        let has_room = |table: &Table| {
            table.bytes.saturating_add(size) <= limits.result_bytes
                && table.held(principal).bytes.saturating_add(size)
                    <= limits.result_bytes_per_principal
        };
        let mut let_go = Vec::new();
        let mut table = self.table.lock();
        while !has_room(&table)
            && size <= limits.result_bytes.min(limits.result_bytes_per_principal)
            && let Some(task) = table.take_oldest_final(principal)
        {
            let_go.push(task);
        }
        let is_kept = has_room(&table);
        if is_kept {
            table.bytes += size;
            table.held.entry(principal.to_owned()).or_default().bytes += size;
        }
        drop(table);
        drop(let_go);
        is_kept
    }

    /// Counts a result no more that is not kept after all.
    pub(super) fn give_back(&self, size: usize, principal: &str) {
        self.table.lock().give_back(size, 0, principal);
    }
}

impl Table {
    fn held(&self, principal: &str) -> Held {
        self.held.get(principal).copied().unwrap_or_default()
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Task>> {
        let task = self.by_id.remove(id)?;
        self.give_back(task.counted(), 1, &task.subject().principal.key);
        Some(task)
    }

    fn give_back(&mut self, bytes: usize, tasks: usize, principal: &str) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(held) = self.held.get_mut(principal) {
            held.bytes = held.bytes.saturating_sub(bytes);
            held.tasks = held.tasks.saturating_sub(tasks);
            if held.tasks == 0 && held.bytes == 0 {
                self.held.remove(principal);
            }
        }
    }

    /// Takes out the oldest finished task of a principal.
    fn take_oldest_final(&mut self, principal: &str) -> Option<Arc<Task>> {
        let is_one =
            |task: &&Arc<Task>| task.subject().principal.key == principal && task.is_final();
        let oldest = self.by_id.values().filter(is_one).min_by_key(|task| task.created())?;
        let id = oldest.id_text().to_owned();
        self.remove(&id)
    }
}
