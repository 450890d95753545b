//! How a Deployment moves from its old ReplicaSets to the new one: how many pods each may have at a moment. Arithmetic
//! only; writes nothing.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/deployment/rolling.go`, `sync.go` and `util/deployment_util.go`.

use serde_json::Value;

use crate::controllers::pods::scaled;
use crate::object;

/// What a rollout may do beyond the wanted number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) wanted: i64,
    pub(super) surge: i64,
    pub(super) unavailable: i64,
}

impl Bounds {
    /// From a Deployment's spec: percentages of the wanted number, surge rounded up, unavailable rounded down.
    pub(super) fn of(deployment: &Value) -> Bounds {
        let wanted = object::number(deployment, "/spec/replicas").unwrap_or(1);
        if object::text(deployment, "/spec/strategy/type") == "Recreate" {
            return Bounds { wanted, surge: 0, unavailable: wanted };
        }
        let part = |field: &str, up: bool| {
            scaled(deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}")), wanted, up)
        };
        let (surge, mut unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        Bounds { wanted, surge, unavailable: unavailable.min(wanted) }
    }
}

/// One ReplicaSet in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set {
    /// Pods asked for.
    pub(super) replicas: i64,
    /// Pods that are available.
    pub(super) available: i64,
}

/// How many pods the new set should have now.
pub(super) fn new_replicas(bounds: Bounds, new: Set, old: &[Set]) -> i64 {
    if new.replicas >= bounds.wanted {
        return bounds.wanted;
    }
    let total = new.replicas + old.iter().map(|set| set.replicas).sum::<i64>();
    let room = bounds.wanted + bounds.surge - total;
    new.replicas + room.clamp(0, bounds.wanted - new.replicas)
}

/// How many pods each old set should have now, oldest first. First goes what is not available anyway, then, while
/// enough others are available, the rest.
pub(super) fn old_replicas(bounds: Bounds, new: Set, old: &[Set]) -> Vec<i64> {
    let mut sets = old.to_vec();
    let total = new.replicas + sets.iter().map(|set| set.replicas).sum::<i64>();
    let least = bounds.wanted - bounds.unavailable;
    let new_unavailable = (new.replicas - new.available).max(0);
    let mut spare = total - least - new_unavailable;
    if spare <= 0 {
        return sets.iter().map(|set| set.replicas).collect();
    }
    for set in &mut sets {
        let unhealthy = (set.replicas - set.available).clamp(0, spare);
        set.replicas -= unhealthy;
        spare -= unhealthy;
    }
    let available = new.available + sets.iter().map(|set| set.available).sum::<i64>();
    let mut spare = available - least;
    for set in &mut sets {
        let gone = set.replicas.clamp(0, spare.max(0));
        set.replicas -= gone;
        spare -= gone;
    }
    sets.iter().map(|set| set.replicas).collect()
}

/// One ReplicaSet when the wanted number changes in the midst of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) replicas: i64,
    /// The most pods there could be when it was given its size; nought where that is not known.
    pub(super) most_before: i64,
    /// When it was made, as text that sorts by time.
    pub(super) made: String,
}

/// How many pods each part should have so that all keep their shares of the new number. What rounding leaves goes to the
/// largest.
pub(super) fn proportional(bounds: Bounds, parts: &[Part]) -> Vec<i64> {
    let most = bounds.wanted + bounds.surge;
    let total: i64 = parts.iter().map(|part| part.replicas).sum();
    let change = if bounds.wanted > 0 { most - total } else { -total };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let key = |at: usize| parts.get(at).map(|part| (part.replicas, part.made.as_str())).unwrap_or_default();
    order.sort_by(|a, b| {
        let ((more, made), (less, other)) = (key(*b), key(*a));
        let newer_first = made.cmp(other);
        more.cmp(&less).then(if change > 0 { newer_first } else { newer_first.reverse() })
    });
    let mut sizes: Vec<i64> = parts.iter().map(|part| part.replicas).collect();
    let mut given = 0;
    for at in &order {
        let Some(part) = parts.get(*at) else { continue };
        let before = if part.most_before > 0 { part.most_before } else { total.max(1) };
        let share = if bounds.wanted == 0 {
            -part.replicas
        } else {
            // Rounded half away from nought.
            (2 * part.replicas * most + before).div_euclid(2 * before) - part.replicas
        };
        let left = change - given;
        let share = if change > 0 { share.min(left) } else { share.max(left) };
        let share = if change == 0 { 0 } else { share };
        given += share;
        if let Some(size) = sizes.get_mut(*at) {
            *size += share;
        }
    }
    if let Some(size) = order.first().and_then(|at| sizes.get_mut(*at))
        && change != 0
    {
        *size = (*size + change - given).max(0);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(wanted: i64, strategy: Value, expected: (i64, i64)) {
        let deployment =
            json!({"spec": {"replicas": wanted, "strategy": {"type": "RollingUpdate", "rollingUpdate": strategy}}});
        let bounds = Bounds::of(&deployment);
        assert_eq!((bounds.surge, bounds.unavailable), expected);
    }

    #[test]
    fn bounds_round_as_the_controller_rounds() {
        check(3, json!({"maxSurge": "25%", "maxUnavailable": "25%"}), (1, 0));
        check(10, json!({"maxSurge": "25%", "maxUnavailable": "25%"}), (3, 2));
        check(1, json!({"maxSurge": 0, "maxUnavailable": "25%"}), (0, 1));
        check(2, json!({"maxSurge": 0, "maxUnavailable": 1}), (0, 1));
    }

    #[track_caller]
    fn check_parts(wanted: i64, surge: i64, parts: &[(i64, i64)], expected: &[i64]) {
        let bounds = Bounds { wanted, surge, unavailable: 0 };
        let parts: Vec<Part> = parts
            .iter()
            .enumerate()
            .map(|(at, (replicas, most_before))| Part {
                replicas: *replicas,
                most_before: *most_before,
                made: format!("{at}"),
            })
            .collect();
        assert_eq!(proportional(bounds, &parts), expected);
    }

    #[test]
    fn a_change_of_size_is_shared_out() {
        // Seen from kube-controller-manager 1.36: 3 and 2 of at most 5, then 8 are wanted with a surge of 2.
        check_parts(8, 2, &[(3, 5), (2, 5)], &[6, 4]);
        check_parts(2, 1, &[(6, 10), (4, 10)], &[2, 1]);
        check_parts(0, 0, &[(3, 5), (2, 5)], &[0, 0]);
        check_parts(4, 1, &[(3, 5), (2, 5)], &[3, 2]);
        check_parts(10, 3, &[(5, 6), (1, 6)], &[11, 2]);
        check_parts(6, 0, &[(2, 0), (2, 0)], &[3, 3]);
    }

    #[test]
    fn a_rollout_never_leaves_its_bounds_and_ends() {
        for wanted in 1..12_i64 {
            for (surge, unavailable) in [(0, 1), (1, 0), (3, 2), (12, 12)] {
                let bounds = Bounds { wanted, surge, unavailable: unavailable.min(wanted) };
                let (mut new, mut old) = (Set::default(), vec![Set { replicas: wanted, available: wanted }]);
                for _ in 0..100 {
                    new.replicas = new_replicas(bounds, new, &old);
                    let next = old_replicas(bounds, new, &old);
                    for (set, replicas) in old.iter_mut().zip(next) {
                        set.replicas = replicas;
                        set.available = set.available.min(replicas);
                    }
                    let total: i64 = new.replicas + old.iter().map(|s| s.replicas).sum::<i64>();
                    let available: i64 = new.available + old.iter().map(|s| s.available).sum::<i64>();
                    assert!(total <= wanted + surge, "{bounds:?}: {total} pods");
                    assert!(available >= wanted - bounds.unavailable, "{bounds:?}: {available} available");
                    new.available = (new.available + 1).min(new.replicas);
                }
                assert_eq!((new.replicas, old.iter().map(|s| s.replicas).sum::<i64>()), (wanted, 0), "{bounds:?}");
            }
        }
    }
}
