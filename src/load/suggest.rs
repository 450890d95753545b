//! Which of the names that exist was probably meant.

/// The name nearest to what was written, if any is near enough to be a slip of the pen.
///
/// Case, `-` and `_` do not count; of the rest one character in three may differ, and two that changed places count
/// as one. Failing that, the one name that begins with what was written.
///
/// ```
/// use strata::load::suggest::nearest;
/// assert_eq!(nearest("replica", ["port", "replicas"]), Some("replicas"));
/// assert_eq!(nearest("DependsOn", ["depends_on"]), Some("depends_on"));
/// assert_eq!(nearest("prod", ["production", "staging"]), Some("production"));
/// assert_eq!(nearest("colour", ["port", "replicas"]), None);
/// ```
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let folded = fold(written);
    let allowed = (folded.chars().count() / 3).max(1);
    let near = names
        .iter()
        .map(|name| (strsim::osa_distance(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min();
    near.map(|(_, name)| *name).or_else(|| {
        let mut longer = names.iter().filter(|name| folded.len() >= 3 && fold(name).starts_with(&folded));
        longer.next().filter(|_| longer.next().is_none()).copied()
    })
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).take(MAX).collect()
}

/// Longer names are compared by their beginning, so that a file full of long ones is not slow to refuse.
const MAX: usize = 64;

/// What exists, for a message: all of a short list, the beginning of a long one.
///
/// ```
/// use strata::load::suggest::listing;
/// assert_eq!(listing(["core", "business"]), "core, business");
/// assert_eq!(listing([]), "none");
/// ```
pub fn listing<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "none".to_owned(),
        count if count <= SHOWN + 1 => names.join(", "),
        count => {
            format!("{} and {} more", names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "), count - SHOWN)
        }
    }
}

/// Help for a name that does not exist: the one that was probably meant, or those that exist.
pub fn instead<'a>(written: &str, what: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(written, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what}: {}", listing(names)),
    }
}
