//! The world of one test: its account in the double, its proxy, and the drivers behind it.

use crate::{double::Double, environment, permits::permit, proxy::Proxy, witness::Witness};
use lifeboat::{
    clock::{BootClock, KernelBootClock},
    driver::{
        LookError, SendError,
        aws::{Eyes, Hand, Pace, Premises},
    },
    ids::{Account, SiteName},
    model::Site,
    world::{Call, Effect, Receipt, Seen, Target, What},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Home of the runbook: its site and its Region.
pub const HOME: (&str, &str) = ("ohio", "us-east-2");
/// The standby.
pub const STANDBY: (&str, &str) = ("oregon", "us-west-2");
/// The public name.
pub const NAME: &str = "www.example.com";

/// What a test has.
pub struct Wire {
    /// In front of the double.
    pub proxy: Arc<Proxy>,
    /// Tells how the world is.
    pub witness: Witness,
    /// The account that is this test's.
    pub account: String,
    /// The hosted zone.
    pub zone: String,
    /// How many changing calls the test has forgotten.
    passed: AtomicUsize,
}

impl Wire {
    /// The two Regions of the runbook, home active, nothing under way. What calls start takes its
    /// time, as the double's scale has it.
    pub fn new() -> Self {
        environment::settle();
        let account = Double::fresh_account();
        let witness = Witness::of(&account);
        let zone = witness.build(HOME, STANDBY);
        let proxy = Proxy::before(Double::shared().address());
        proxy.header("x-moto-account-id", &account);
        let wire = Self { proxy: Arc::new(proxy), witness, account, zone, passed: AtomicUsize::default() };
        wire.forget();
        wire
    }

    /// The same; what calls start has happened when they are answered.
    pub fn at_once() -> Self {
        let wire = Self::new();
        wire.slowness(0);
        wire
    }

    /// What calls start takes so many times as long.
    pub fn slowness(&self, factor: u32) {
        self.proxy.header("x-double-slowness", &factor.to_string());
    }

    /// Answers of name servers live so many seconds.
    pub fn live_answers(&self, seconds: u32) {
        let sets = self.witness.records(&self.zone, NAME).into_values().map(|mut set| {
            set["TTL"] = seconds.into();
            json!({ "Action": "UPSERT", "ResourceRecordSet": set })
        });
        let asked = json!({ "HostedZoneId": self.zone, "ChangeBatch": { "Changes": sets.collect::<Vec<_>>() } });
        self.witness.call("route53", "us-east-1", "change_resource_record_sets", &asked);
    }

    /// A call of the double's control API, about this account.
    pub fn control(&self, path: &str, mut body: Value) -> Value {
        body["account"] = self.account.as_str().into();
        Double::shared().control("POST", path, &body)
    }

    /// Forgets the calls so far: whatever prepared what is to be tested.
    pub fn forget(&self) {
        self.passed.store(Double::shared().calls(&self.account).len(), Ordering::SeqCst);
        self.proxy.forget();
    }

    /// The changing calls that the server saw and the test has not forgotten, whoever sent them.
    pub fn calls(&self) -> Vec<Value> {
        Double::shared().calls(&self.account).split_off(self.passed.load(Ordering::SeqCst))
    }

    /// The same in short, and which of them it applied.
    pub fn served(&self) -> Vec<(String, bool)> {
        self.calls().into_iter().map(|c| (c["operation"].as_str().unwrap().to_owned(), c["applied"] == true)).collect()
    }

    /// A site, answering at the proxy.
    pub fn site(&self, (name, region): (&str, &str)) -> Site {
        let (account, endpoint_url) = (Some(Account::new(&self.account)), Some(self.proxy.url()));
        Site { account, endpoint_url, ..Site::new(name, region) }
    }

    /// Both sites, and what belongs to none.
    pub fn premises(&self) -> Premises {
        let sites = [HOME, STANDBY].map(|site| (SiteName::new(site.0), self.site(site)));
        Premises { sites: BTreeMap::from(sites), global_endpoint: Some(self.proxy.url()) }
    }

    /// New eyes, as a process begins with.
    pub fn eyes(&self) -> Eyes {
        let names = BTreeMap::from([(self.zone.clone(), BTreeSet::from([NAME.to_owned()]))]);
        Eyes::new(self.premises(), names, Arc::new(Pace::default()))
    }

    /// A new hand, as a process begins with.
    pub fn hand(&self, boot: impl BootClock + 'static) -> Hand {
        Hand::new(&self.eyes(), Arc::new(boot))
    }

    /// A thing at a site.
    pub fn at(&self, site: (&str, &str), what: What) -> Target {
        Target::at(&self.site(site), what)
    }

    /// One look at a thing of a site.
    pub async fn look(&self, site: (&str, &str), what: What) -> Result<Seen, LookError> {
        self.eyes().look(&[&self.at(site, what)]).await.remove(0)
    }

    /// One send, with a permit of its own.
    pub async fn send(&self, target: Target, call: Call) -> Result<Receipt, SendError> {
        let effect = Effect { target, call };
        Box::pin(self.hand(KernelBootClock).send(&permit(&effect).await, &effect)).await
    }

    /// What never changes about an instance.
    pub fn resource_id(&self, region: &str, identifier: &str) -> String {
        self.witness.db(region, identifier)["DbiResourceId"].as_str().unwrap().to_owned()
    }
}
