//! The send: one call, once, after the permit's deadline was looked at.
//!
//! Where an effect names the very instance that is meant, the name is asked for that instance right
//! before: names are given away, `DbiResourceId`s are not.

use super::{
    access::{Access, Clients},
    databases,
    errors::Failed,
    eyes::Eyes,
    pace::{Lane, Pace, Urgency},
    records,
};
use crate::{
    clock::BootClock,
    driver::{SendError, in_time},
    ids::SiteName,
    world::{Call, Effect, Receipt, Target, asg, dns, permit::Permit, rds, sfn},
};
use aws_sdk_rds::config::ConfigBag;
use aws_sdk_rds::{
    error::{ProvideErrorMetadata, SdkError},
    types::{ApplyMethod, DbInstance, Parameter, Tag},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
    http::Response,
};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Changes AWS.
pub struct Hand {
    reads: Arc<Access>,
    writes: Access,
    pace: Arc<Pace>,
    boot: Arc<dyn BootClock>,
}

/// A call on its way: where it goes, until when it may leave, and whether it has.
struct Sending<'a> {
    hand: &'a Hand,
    lane: Lane,
    permit: &'a Permit,
    left: Left,
}

impl Hand {
    /// A hand beside the eyes, on their premises and at their pace, so that changes go before looks.
    pub fn new(eyes: &Eyes, boot: Arc<dyn BootClock>) -> Self {
        let (reads, pace) = eyes.shared();
        Self { writes: reads.for_writes(), reads, pace, boot }
    }

    /// Sends an effect of AWS's.
    pub async fn send(&self, permit: &Permit, effect: &Effect) -> Result<Receipt, SendError> {
        let site = &effect.target.site;
        let service = match &effect.call {
            Call::Rds(_) => "rds",
            Call::Scaling(_) => "autoscaling",
            Call::Dns(_) => "route53",
            Call::Machine(_) => "states",
            Call::Run(_) | Call::Post(_) => return Err(refused("it is no call of AWS")),
        };
        let (_, clients) =
            self.writes.at(site).await.ok_or_else(|| refused(format!("no site {site} in the runbook")))?;
        let lane = Lane { site: site.clone(), service };
        let sending = Sending { hand: self, lane, permit, left: Left::default() };
        match &effect.call {
            Call::Rds(call) => sending.rds(clients, &effect.target, call).await,
            Call::Scaling(asg::Call::Update { name, size, .. }) => sending.resize(clients, name, *size).await,
            Call::Dns(batch) => sending.records(clients, batch).await,
            Call::Machine(start) => sending.start(clients, start).await,
            Call::Run(_) | Call::Post(_) => Err(refused("it is no call of AWS")),
        }
    }

    /// An instance by its name, as it is now.
    async fn instance(&self, site: &SiteName, identifier: &str) -> Result<DbInstance, SendError> {
        let (_, reads) = self.reads.at(site).await.ok_or_else(|| refused(format!("no site {site} in the runbook")))?;
        let found = reads.rds.describe_db_instances().db_instance_identifier(identifier).send().await;
        let found = found.map_err(|e| match Failed::of(&e) {
            // A look that failed has changed nothing, whatever came of it.
            Failed::Refused(code, why) => refused(format!("{code}: {why}")),
            Failed::NotSent(why)
            | Failed::Unreachable(why)
            | Failed::Throttled(why)
            | Failed::Later(why)
            | Failed::Stumbled(why)
            | Failed::NoAnswer(why) => SendError::NotSent { after: None, why },
        })?;
        found.db_instances().first().cloned().ok_or_else(|| refused(format!("there is no database {identifier}")))
    }

    /// The instance that is meant and no other of its name.
    async fn the_very(&self, site: &SiteName, identifier: &str, resource_id: &str) -> Result<(), SendError> {
        let found = self.instance(site, identifier).await?;
        match found.dbi_resource_id() {
            Some(id) if id == resource_id => Ok(()),
            other => Err(refused(format!(
                "{identifier} at {site} is {}, not {resource_id}: somebody gave the name to another instance",
                other.unwrap_or("unknown")
            ))),
        }
    }
}

fn refused(why: impl Into<String>) -> SendError {
    SendError::Refused { why: why.into() }
}

impl Sending<'_> {
    /// Waits for its turn, and makes sure that it may still be sent then.
    async fn ready(&self) -> Result<(), SendError> {
        self.hand.pace.turn(&self.lane, Urgency::Change).await;
        in_time(self.permit, &*self.hand.boot)
    }

    /// What came of a call.
    async fn sent<T, E: ProvideErrorMetadata + Error + 'static>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T, SendError> {
        let error = match call.await {
            Ok(answer) => {
                self.hand.pace.answered(&self.lane);
                return Ok(answer);
            }
            Err(error) => error,
        };
        let failed = match Failed::of(&error) {
            Failed::NoAnswer(why) if !self.left.has() => Failed::NotSent(why),
            failed => failed,
        };
        let pause = self.hand.pace.failed(&self.lane, &failed);
        Err(failed.into_send(pause))
    }

    async fn rds(&self, clients: &Clients, target: &Target, call: &rds::Call) -> Result<Receipt, SendError> {
        use rds::Call as R;
        let (site, rds, left) = (&target.site, &clients.rds, &self.left);
        if let R::Promote { identifier, resource_id, .. }
        | R::SetSecurityGroups { identifier, resource_id, .. }
        | R::Rename { identifier, resource_id, .. }
        | R::CreateSnapshot { identifier, resource_id, .. } = call
        {
            self.hand.the_very(site, identifier, resource_id).await?;
        }
        match call {
            R::Promote { identifier, backup_retention, .. } => {
                let days = i32::try_from(*backup_retention).unwrap_or(i32::MAX);
                let call = rds.promote_read_replica().db_instance_identifier(identifier).backup_retention_period(days);
                self.ready().await?;
                self.sent(call.customize().interceptor(left.clone()).send()).await?;
            }
            R::SetParameter { group, parameter, value, .. } => {
                self.set_parameter(clients, group, parameter, value.as_deref()).await?;
            }
            R::Tag { on, key, value } => self.tag(clients, site, on, (key, value.as_deref())).await?,
            R::SetSecurityGroups { identifier, groups, .. } => {
                let call = rds.modify_db_instance().db_instance_identifier(identifier).apply_immediately(true);
                let call = call.set_vpc_security_group_ids(Some(groups.clone()));
                self.ready().await?;
                self.sent(call.customize().interceptor(left.clone()).send()).await?;
            }
            R::Rename { identifier, to, .. } => {
                let call = rds.modify_db_instance().db_instance_identifier(identifier).apply_immediately(true);
                let call = call.new_db_instance_identifier(to);
                self.ready().await?;
                self.sent(call.customize().interceptor(left.clone()).send()).await?;
            }
            R::CreateSnapshot { identifier, name, .. } => {
                let call = rds.create_db_snapshot().db_instance_identifier(identifier).db_snapshot_identifier(name);
                self.ready().await?;
                self.sent(call.customize().interceptor(left.clone()).send()).await?;
            }
            R::CreateReplica(new) => self.create_replica(clients, new).await?,
            R::WriteMarker { .. } => return Err(refused("a marker is written over a database connection")),
        }
        Ok(Receipt::default())
    }

    async fn set_parameter(
        &self,
        clients: &Clients,
        group: &str,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), SendError> {
        let parameter = Parameter::builder()
            .parameter_name(name)
            .set_parameter_value(value.map(str::to_owned))
            .apply_method(ApplyMethod::Immediate)
            .build();
        let (rds, left) = (&clients.rds, self.left.clone());
        self.ready().await?;
        if value.is_some() {
            let call = rds.modify_db_parameter_group().db_parameter_group_name(group).parameters(parameter);
            self.sent(call.customize().interceptor(left).send()).await.map(drop)
        } else {
            let call = rds.reset_db_parameter_group().db_parameter_group_name(group).parameters(parameter);
            self.sent(call.customize().interceptor(left).send()).await.map(drop)
        }
    }

    async fn tag(
        &self,
        clients: &Clients,
        site: &SiteName,
        on: &rds::Tagged,
        (key, value): (&str, Option<&str>),
    ) -> Result<(), SendError> {
        let arn = match on {
            rds::Tagged::Db(id) => self.hand.instance(site, id).await?.db_instance_arn().map(str::to_owned),
            rds::Tagged::Parameters(name) => {
                let (_, reads) = self.hand.reads.at(site).await.ok_or_else(|| refused("no such site"))?;
                databases::group_arn(reads, name).await.map_err(|f| f.into_send(None))?
            }
        };
        let Some(arn) = arn else { return Err(refused(format!("there is nothing to tag: {on:?}"))) };
        let (rds, left) = (&clients.rds, self.left.clone());
        self.ready().await?;
        if let Some(value) = value {
            let call = rds.add_tags_to_resource().resource_name(arn).tags(Tag::builder().key(key).value(value).build());
            self.sent(call.customize().interceptor(left).send()).await.map(drop)
        } else {
            let call = rds.remove_tags_from_resource().resource_name(arn).tag_keys(key);
            self.sent(call.customize().interceptor(left).send()).await.map(drop)
        }
    }

    async fn create_replica(&self, clients: &Clients, new: &rds::NewReplica) -> Result<(), SendError> {
        let source = match &new.source.site {
            Some(site) if *site != self.lane.site => {
                let found = self.hand.instance(site, &new.source.identifier).await?;
                found.db_instance_arn().map(str::to_owned).ok_or_else(|| refused("the source has no ARN"))?
            }
            _ => new.source.identifier.clone(),
        };
        let call = clients
            .rds
            .create_db_instance_read_replica()
            .db_instance_identifier(&new.identifier)
            .source_db_instance_identifier(source)
            .db_instance_class(&new.settings.class)
            .db_parameter_group_name(&new.parameter_group)
            .set_vpc_security_group_ids(Some(new.security_groups.clone()))
            .set_db_subnet_group_name(new.settings.subnet_group.clone())
            .set_option_group_name(new.settings.option_group.clone())
            .set_kms_key_id(new.kms_key.clone())
            .multi_az(new.settings.multi_az);
        self.ready().await?;
        self.sent(call.customize().interceptor(self.left.clone()).send()).await.map(drop)
    }

    async fn resize(&self, clients: &Clients, name: &str, size: crate::model::Size) -> Result<Receipt, SendError> {
        let n = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let call = clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
        let call = call.min_size(n(size.min)).desired_capacity(n(size.desired)).max_size(n(size.max));
        self.ready().await?;
        self.sent(call.customize().interceptor(self.left.clone()).send()).await?;
        Ok(Receipt::default())
    }

    /// A name that has ended already is this very execution: names hold the run's id.
    async fn start(&self, clients: &Clients, start: &sfn::Start) -> Result<Receipt, SendError> {
        let call = clients.sfn.start_execution().state_machine_arn(&start.machine).name(&start.name);
        let call = call.input(start.input.to_string());
        self.ready().await?;
        let known =
            |e: &SendError| matches!(e, SendError::Refused { why } if why.starts_with("ExecutionAlreadyExists"));
        match self.sent(call.customize().interceptor(self.left.clone()).send()).await {
            Ok(told) => Ok(Receipt { id: Some(told.execution_arn().to_owned()), ..Receipt::default() }),
            Err(e) if known(&e) => Ok(Receipt::default()),
            Err(e) => Err(e),
        }
    }

    async fn records(&self, clients: &Clients, batch: &dns::Batch) -> Result<Receipt, SendError> {
        let written = records::batch(batch, self.permit.token()).map_err(|e| refused(e.to_string()))?;
        let call = clients.route53.change_resource_record_sets().hosted_zone_id(&batch.zone).change_batch(written);
        self.ready().await?;
        let told = self.sent(call.customize().interceptor(self.left.clone()).send()).await?;
        let id = told.change_info().map(|info| info.id().trim_start_matches("/change/").to_owned());
        Ok(Receipt { id, ..Receipt::default() })
    }
}

/// Whether a request has left this machine: before that, whatever failed, nothing was sent.
#[derive(Clone, Debug, Default)]
struct Left(Arc<AtomicBool>);

impl Left {
    fn has(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Left {
    fn name(&self) -> &'static str {
        "Left"
    }
    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}
