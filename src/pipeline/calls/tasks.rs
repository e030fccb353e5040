//! All tasks. Each belongs to its principal; to anyone else it does not exist. They are kept until
//! their time is over, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
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
    /// How long a task is kept; a client may ask for less.
    pub ttl: Duration,
    /// How often a client should ask.
    pub poll: Duration,
}

/// All tasks; see the module.
#[derive(Debug, Default)]
pub struct Tasks {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<String, Arc<Task>>,
    /// How many each principal has.
    counts: HashMap<String, usize>,
    /// Bytes of all results.
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
        let mut table = self.table.lock();
        let principal = &task.subject().principal.key;
        let has_room = |table: &Table| {
            let own = table.counts.get(principal).copied().unwrap_or(0);
            table.by_id.len() < limits.tasks && own < limits.tasks_per_principal
        };
        if !has_room(&table) {
            table.drop_oldest_final(|other| other.subject().principal.key == *principal);
        }
        if !has_room(&table) {
            return Err(NoRoom);
        }
        *table.counts.entry(principal.clone()).or_default() += 1;
        table.by_id.insert(id, Arc::clone(&task));
        Ok(task)
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

    /// Ends the tasks that wait for answers of their clients.
    pub fn end_resting(&self) {
        let all: Vec<_> = self.table.lock().by_id.values().cloned().collect();
        for task in all.iter().filter(|task| task.is_resting()) {
            task.cancel();
        }
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
    pub(super) fn remove(&self, id: &str) {
        let removed = self.table.lock().remove(id);
        drop(removed);
    }

    /// Counts a result that is to be kept; older ones make room for it. False if it never fits.
    pub(super) fn make_room(&self, size: usize, most: usize) -> bool {
        if size > most {
            return false;
        }
        let mut table = self.table.lock();
        while table.bytes + size > most && table.drop_oldest_final(|_| true) {}
        table.bytes += size;
        true
    }

    /// Counts a result no more that is not kept after all.
    pub(super) fn give_back(&self, size: usize) {
        let mut table = self.table.lock();
        table.bytes = table.bytes.saturating_sub(size);
    }
}

impl Table {
    fn remove(&mut self, id: &str) -> Option<Arc<Task>> {
        let task = self.by_id.remove(id)?;
        self.bytes = self.bytes.saturating_sub(task.counted());
        let principal = &task.subject().principal.key;
        if let Some(count) = self.counts.get_mut(principal) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(principal);
            }
        }
        Some(task)
    }

    /// Drops the oldest finished task of those; false if there is none.
    fn drop_oldest_final(&mut self, which: impl Fn(&Task) -> bool) -> bool {
        let finished = self.by_id.values().filter(|task| which(task) && task.is_final());
        let Some(id) =
            finished.min_by_key(|task| task.created()).map(|task| task.id_text().to_owned())
        else {
            return false;
        };
        self.remove(&id).is_some()
    }
}
