//! Who sends a request: a name, groups and whatever else the server knows of a user. Says nothing about how that was
//! found out, nor about what the user may do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The group whose members may do everything, whatever the roles say.
pub(crate) const MASTERS: &str = "system:masters";
/// The group of everyone whose name is known.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of everyone whose name is not known.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user that a request without credentials comes from.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

const ACCOUNT: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "system:serviceaccounts";
const NODE: &str = "system:node:";

/// A user as the server knows it. What it may do is decided by the roles bound to its name and its groups.
///
/// ```
/// use kube_embedded::Identity;
/// let reviewer = Identity::user("reviewer", ["readers"]);
/// assert_eq!(reviewer.groups, ["readers", "system:authenticated"]);
/// let account = Identity::service_account("ci", "planner");
/// assert_eq!(account.name, "system:serviceaccount:ci:planner");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user's name, as role bindings and messages name it.
    pub name: String,
    /// What tells users of the same name apart over time; may be empty.
    pub uid: String,
    /// The groups the user is in, `system:authenticated` included.
    pub groups: Vec<String>,
    /// What else is known of the user, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// A user whose name is known, in these groups and in `system:authenticated`.
    pub fn user<G: Into<String>>(name: impl Into<String>, groups: impl IntoIterator<Item = G>) -> Identity {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Identity { name: name.into(), groups, ..Identity::default() }
    }

    /// The administrator: `kubernetes-admin` in `system:masters`, who may do everything.
    pub fn admin() -> Identity {
        Identity::user("kubernetes-admin", [MASTERS])
    }

    /// Whoever shows no credentials.
    pub fn anonymous() -> Identity {
        let groups = vec![UNAUTHENTICATED.to_owned()];
        Identity { name: ANONYMOUS.to_owned(), groups, ..Identity::default() }
    }

    /// The user that a ServiceAccount's token stands for.
    pub fn service_account(namespace: &str, name: &str) -> Identity {
        Identity::user(account_name(namespace, name), account_groups(namespace))
    }

    /// Is the user in the group?
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// The user as reviews and admission requests show it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({"username": self.name});
        let map = crate::object::as_map(&mut shown);
        if !self.uid.is_empty() {
            map.insert("uid".to_owned(), json!(self.uid));
        }
        if !self.groups.is_empty() {
            map.insert("groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            map.insert("extra".to_owned(), json!(self.extra));
        }
        shown
    }
}

/// The name of a ServiceAccount's user.
pub(crate) fn account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// The groups of the ServiceAccounts of a namespace.
pub(crate) fn account_groups(namespace: &str) -> [String; 2] {
    [ACCOUNTS.to_owned(), format!("{ACCOUNTS}:{namespace}")]
}

/// The namespace and name of the ServiceAccount that a user's name stands for.
pub(crate) fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let sound = |part: &str| !part.is_empty() && !part.contains(':');
    (sound(namespace) && sound(name)).then_some((namespace, name))
}

/// The node that a user's name stands for.
pub(crate) fn node_of(user: &str) -> Option<&str> {
    let name = user.strip_prefix(NODE)?;
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(sound)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user: &str, account: Option<(&str, &str)>, node: Option<&str>) {
        assert_eq!(account_of(user), account, "{user}");
        assert_eq!(node_of(user), node, "{user}");
    }

    #[test]
    fn names_that_stand_for_something() {
        check("system:serviceaccount:a:b", Some(("a", "b")), None);
        check("system:serviceaccount:a", None, None);
        check("system:serviceaccount:a:", None, None);
        check("system:serviceaccount:a:b:c", None, None);
        check("system:node:n-1.example", None, Some("n-1.example"));
        check("system:node:", None, None);
        check("system:node:N", None, None);
        check("alice", None, None);
    }
}
