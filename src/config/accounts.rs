//! The users and groups of the system, as its files list them. Directories of the network are not
//! asked: whom only they know is named by number.

use std::path::Path;

use super::sources::Sources;

/// The users and groups of `/etc/passwd` and `/etc/group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<Entry>,
    groups: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    number: u32,
    /// Of a group, the names of its members; of a user, what stands in that place.
    fourth: String,
}

impl Accounts {
    /// Reads the files; one that is not there lists nobody.
    pub fn read(sources: &dyn Sources) -> Self {
        let list = |path: &str| {
            let text = sources.read(Path::new(path)).map(|(text, _)| text).unwrap_or_default();
            text.lines().filter_map(entry).collect()
        };
        Self { users: list("/etc/passwd"), groups: list("/etc/group") }
    }

    /// The number of a user.
    pub fn user(&self, name: &str) -> Option<u32> {
        self.users.iter().find(|user| user.name == name).map(|user| user.number)
    }

    /// The name of a user.
    pub fn name_of(&self, user: u32) -> Option<&str> {
        self.users.iter().find(|known| known.number == user).map(|known| known.name.as_str())
    }

    /// The number of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.number)
    }

    /// The numbers of those who are members of a group besides those whose own group it is.
    pub fn members(&self, group: u32) -> Vec<u32> {
        let known = self.groups.iter().filter(|known| known.number == group);
        let names = known.flat_map(|known| known.fourth.split(','));
        names.filter_map(|name| self.user(name)).collect()
    }
}

/// `name:password:number:fourth:…`
fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let number = fields.nth(1)?.parse().ok()?;
    let fourth = fields.next().unwrap_or_default().to_owned();
    Some(Entry { name: name.to_owned(), number, fourth })
}

#[cfg(test)]
mod tests {
    use super::{Accounts, entry};

    #[test]
    fn lines_of_another_form_list_nobody() {
        let known = |line| entry(line).map(|it| format!("{} {}", it.name, it.number));
        assert_eq!(known("monitor:x:990:990::/:/bin/false").as_deref(), Some("monitor 990"));
        assert_eq!(known("staff:x:50:").as_deref(), Some("staff 50"));
        for line in ["", "# comment", ":x:0:0", "a:x", "a:x:-1:", "a:x:99999999999:"] {
            assert_eq!(known(line), None, "{line}");
        }
    }

    #[test]
    fn members_of_a_group_are_users_that_are_known() {
        let list = |text: &str| text.lines().filter_map(entry).collect();
        let accounts = Accounts {
            users: list("root:x:0:0:::\nann:x:7:7:::\nbob:x:8:50:::"),
            groups: list("staff:x:50:ann,nobody,root"),
        };
        assert_eq!(accounts.group("staff"), Some(50));
        assert_eq!(accounts.members(50), [7, 0]);
        assert_eq!(accounts.members(7), [0_u32; 0]);
        assert_eq!((accounts.user("bob"), accounts.name_of(8)), (Some(8), Some("bob")));
    }
}
