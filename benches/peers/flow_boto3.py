#!/usr/bin/env python3
"""The flow of the wire benchmark by boto3: `flow_boto3.py ENDPOINT ZONE`."""

import sys
import time

import boto3

ENDPOINT, ZONE = sys.argv[1:]
REGION = "us-west-2"


def client(service):
    """Route 53 is the same in every Region."""
    return boto3.client(service, region_name=REGION, endpoint_url=ENDPOINT)


def database():
    """Promotes the database if it still is a replica, and waits until it is available."""
    rds = client("rds")
    found = rds.describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]
    if found.get("ReadReplicaSourceDBInstanceIdentifier"):
        rds.promote_read_replica(DBInstanceIdentifier="orders")
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="orders")


def servers():
    """Gives the servers their size, and waits until they serve."""
    scaling = client("autoscaling")
    scaling.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=4, DesiredCapacity=8, MaxSize=16)
    while serving(scaling) < 8:
        time.sleep(0.5)


def serving(scaling):
    """How many servers are in service."""
    group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]
    return sum(one["LifecycleState"] == "InService" for one in group["Instances"])


def records():
    """Moves all weight to the standby."""
    changes = [change("ohio", 0, "192.0.2.1"), change("oregon", 100, "192.0.2.2")]
    route53 = client("route53")
    route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch={"Changes": changes})


def change(site, weight, address):
    """One weighted record."""
    record = {
        "Name": "www.example.com",
        "Type": "A",
        "SetIdentifier": site,
        "Weight": weight,
        "TTL": 60,
        "ResourceRecords": [{"Value": address}],
    }
    return {"Action": "UPSERT", "ResourceRecordSet": record}


database()
servers()
records()
