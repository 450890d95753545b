//! The configuration of HAProxy: written by a Handlebars template, `templates/haproxy.cfg.hbs`, in which every value
//! stands as one word, and read back before it goes anywhere: it has the sections that went in, each with the lines
//! that went in, and no directive that is not the template's own.

use handlebars::Handlebars;
use serde::Serialize;
use thiserror::Error;

use super::words::{Section, WordError, sections, word};

const TEMPLATE: &str = include_str!("../../templates/haproxy.cfg.hbs");
const NAME: &str = "haproxy.cfg";
/// The first words of lines that hold values, but for those of its statistics.
const VARYING: [&str; 7] =
    ["description", "bind", "default_backend", "balance", "http-check", "server-template", "server"];

/// What the template knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Configuration {
    /// What the page with the statistics is headed by.
    pub(super) title: String,
    /// How long connections may be silent.
    pub(super) idle: String,
    /// Where the statistics are served.
    pub(super) bind: String,
    /// The path there that tells whether HAProxy itself is well.
    pub(super) health: String,
    /// The path there of its figures.
    pub(super) metrics: String,
    pub(super) fronts: Vec<FrontView>,
}

/// A service that it stands in front of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct FrontView {
    pub(super) name: String,
    /// What the service is for.
    pub(super) description: Option<String>,
    /// Where it is served.
    pub(super) bind: String,
    /// `http`, or `tcp` of what may speak anything.
    pub(super) mode: &'static str,
    /// Whether that is `http`.
    pub(super) http: bool,
    /// The host that requests are for.
    pub(super) host: String,
    pub(super) balance: &'static str,
    /// The path that tells whether a server is well; without one, that it can be connected to is enough.
    pub(super) health: Option<String>,
    /// Whether a client has to come back to the same server.
    pub(super) sessions: bool,
    /// Its pods, where each is a server; at most one entry.
    pub(super) pods: Vec<Pods>,
    pub(super) servers: Vec<Server>,
}

/// A name that leads to several pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Pods {
    /// How many there may be: `1-3`.
    pub(super) slots: String,
    pub(super) address: String,
}

/// A name that leads to one address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) weight: Option<u16>,
    /// Whether it answers only when no other does.
    pub(super) backup: bool,
}

/// A configuration that does not say what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ConfigurationError {
    /// The template cannot be filled in.
    #[error("filling in the template: {0}")]
    Template(String),
    /// What came of it cannot be read.
    #[error("reading the configuration back")]
    Word(#[from] WordError),
    /// Sections, or lines of one, are not those that went in.
    #[error("the section `{section}` does not say what went into it")]
    Differs {
        /// Which.
        section: String,
    },
}

impl Configuration {
    /// The text of the configuration.
    ///
    /// # Errors
    /// When the template cannot be filled in, or what comes of it does not say what went in.
    pub(super) fn write(&self) -> Result<String, ConfigurationError> {
        let failed = |error: &dyn std::fmt::Display| ConfigurationError::Template(error.to_string());
        let mut templates = Handlebars::new();
        templates.set_strict_mode(true);
        templates.register_escape_fn(word);
        templates.register_template_string(NAME, TEMPLATE).map_err(|error| failed(&error))?;
        let text = templates.render(NAME, self).map_err(|error| failed(&error))?;
        self.holds(&sections(&text)?)?;
        Ok(text)
    }

    /// Whether what was read is what went in.
    fn holds(&self, read: &[Section]) -> Result<(), ConfigurationError> {
        let found: Vec<Section> = read.iter().map(varying).collect();
        let expected = self.varying();
        let differs = |section: &Section| ConfigurationError::Differs { section: section.head.join(" ") };
        if let Some((one, _)) = expected.iter().zip(&found).find(|(one, other)| one != other) {
            return Err(differs(one));
        }
        let beyond = expected.get(found.len()).or_else(|| found.get(expected.len()));
        if let Some(section) = beyond {
            return Err(differs(section));
        }
        let foreign = |section: &&Section| section.lines.iter().any(|line| !of_template(line));
        read.iter().find(foreign).map_or(Ok(()), |section| Err(differs(section)))
    }

    /// The sections with the lines that differ from one configuration to the next.
    fn varying(&self) -> Vec<Section> {
        let section = |head: &[&str], lines: Vec<Vec<String>>| Section { head: owned(head), lines };
        let fixed = [&["global"][..], &["defaults"], &["resolvers", "cluster"]].map(|head| section(head, Vec::new()));
        let own = section(&["frontend", "statistics"], vec![owned(&["bind", &self.bind])]);
        let fronts = self.fronts.iter().flat_map(|front| {
            let heads = [["frontend", &front.name], ["backend", &front.name]];
            let lines = [front.in_front(), front.behind()];
            heads.into_iter().zip(lines).map(|(head, lines)| section(&head, lines)).collect::<Vec<_>>()
        });
        fixed.into_iter().chain([own]).chain(fronts).collect()
    }
}

impl FrontView {
    fn in_front(&self) -> Vec<Vec<String>> {
        let description = self.description.iter().map(|text| owned(&["description", text]));
        description.chain([owned(&["bind", &self.bind]), owned(&["default_backend", &self.name])]).collect()
    }

    fn behind(&self) -> Vec<Vec<String>> {
        let asked = self.health.iter().flat_map(|path| {
            let ask = ["http-check", "send", "meth", "GET", "uri", path, "ver", "HTTP/1.1", "hdr", "Host", &self.host];
            [owned(&ask), owned(&["http-check", "expect", "status", "200-399"])]
        });
        let pods = self.pods.iter().map(|pods| owned(&["server-template", "pod", &pods.slots, &pods.address, "check"]));
        let servers = self.servers.iter().map(|server| {
            let weight = server.weight.map(|weight| ["weight".to_owned(), weight.to_string()]);
            let backup = server.backup.then(|| "backup".to_owned());
            let fixed = owned(&["server", &server.name, &server.address, "check"]);
            fixed.into_iter().chain(weight.into_iter().flatten()).chain(backup).collect()
        });
        [owned(&["balance", self.balance])].into_iter().chain(asked).chain(pods).chain(servers).collect()
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A section with only those of its lines that differ from one configuration to the next.
fn varying(section: &Section) -> Section {
    let is_varying = |line: &&Vec<String>| line.first().is_some_and(|first| VARYING.contains(&first.as_str()));
    Section { head: section.head.clone(), lines: section.lines.iter().filter(is_varying).cloned().collect() }
}

/// Whether the template has a line that begins with this one's first word.
fn of_template(line: &[String]) -> bool {
    let firsts = || TEMPLATE.lines().filter_map(|line| line.split_whitespace().next());
    line.first().is_some_and(|word| firsts().any(|first| first == word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use proptest::prelude::*;

    use super::*;

    /// Text that means something to HAProxy or to the template, and any other.
    fn text() -> impl Strategy<Value = String> {
        let hostile = [
            "x\n    stats admin if TRUE",
            "\"\nbackend evil\n    server a 203.0.113.1:80\n\"",
            "a # b",
            "'",
            "\\",
            "\\\"",
            "$HOME",
            "\"${PATH}\"",
            "{{#each fronts}}{{{name}}}",
            "%[env(HOME)]",
            "frontend other",
            "a\r\nb\tc\u{1}d\u{85}\u{2028}",
        ];
        let any = any::<String>().prop_map(|text| text.replace('\0', "0"));
        prop_oneof![prop::sample::select(hostile.to_vec()).prop_map(str::to_owned), any, "[ -~\\n]{0,30}"]
    }

    /// A value that may be absent, and is not empty where it is there.
    fn given() -> impl Strategy<Value = Option<String>> {
        prop::option::of(text().prop_filter("is there", |text| !text.is_empty()))
    }

    prop_compose! {
        fn server()(name in text(), address in text(), weight in prop::option::of(1_u16..=256), backup in any::<bool>())
            -> Server {
            Server { name, address, weight, backup }
        }
    }

    prop_compose! {
        fn front()(
            (name, bind, host) in (text(), text(), text()),
            (description, health) in (given(), given()),
            (http, sessions) in any::<(bool, bool)>(),
            pods in prop::collection::vec((text(), text()), 0..=1),
            servers in prop::collection::vec(server(), 0..4),
        ) -> FrontView {
            let pods = pods.into_iter().map(|(slots, address)| Pods { slots, address }).collect();
            let mode = if http { "http" } else { "tcp" };
            FrontView {
                name, description, bind, mode, http, host, balance: "roundrobin", health, sessions, pods, servers,
            }
        }
    }

    prop_compose! {
        fn configuration()(
            (title, idle, bind, health, metrics) in (text(), text(), text(), text(), text()),
            fronts in prop::collection::vec(front(), 0..4),
        ) -> Configuration {
            Configuration { title, idle, bind, health, metrics, fronts }
        }
    }

    proptest! {
        #[test]
        fn whatever_values_hold_the_sections_that_went_in_are_there(configuration in configuration()) {
            // It is read back, and held against what went in, before it is handed out.
            let text = configuration.write();
            prop_assert!(text.is_ok(), "{:?}", text);
            let heads: Vec<String> = sections(&text.unwrap()).unwrap().into_iter().map(|section| section.head.join(" ")).collect();
            let of_fronts = configuration.fronts.iter().flat_map(|front| ["frontend", "backend"].map(|kind| format!("{kind} {}", front.name)));
            let expect: Vec<String> = ["global", "defaults", "resolvers cluster", "frontend statistics"]
                .into_iter().map(str::to_owned).chain(of_fronts).collect();
            prop_assert_eq!(heads, expect);
        }
    }

    #[test]
    fn what_does_not_say_what_went_in_is_refused() {
        let plain = |name: &str| Configuration {
            title: "shop".to_owned(),
            idle: "10m".to_owned(),
            bind: ":11099".to_owned(),
            health: "/health".to_owned(),
            metrics: "/metrics".to_owned(),
            fronts: vec![FrontView {
                name: name.to_owned(),
                bind: ":1".to_owned(),
                mode: "tcp",
                balance: "leastconn",
                ..FrontView::default()
            }],
        };
        let (cart, mail) = (plain("cart"), plain("mail"));
        let read = sections(&cart.write().unwrap()).unwrap();
        assert_eq!(cart.holds(&read), Ok(()));
        let differs = |section: &str| Err(ConfigurationError::Differs { section: section.to_owned() });
        assert_eq!(mail.holds(&read), differs("frontend mail"));
        assert_eq!(cart.holds(&read[..read.len() - 1]), differs("backend cart"));
        let more = [&read[..], &read[read.len() - 1..]].concat();
        assert_eq!(cart.holds(&more), differs("backend cart"));
        let mut foreign = read.clone();
        foreign[3].lines.push(owned(&["errorfile", "503", "/etc/passwd"]));
        assert_eq!(cart.holds(&foreign), differs("frontend statistics"));
    }
}
