"""Builds the two Regions of `runbooks/warm-standby.yaml`: home serves, the standby follows it."""

PASSWORD = "not-a-secret"
FAMILY = "postgres15"
# The least that each group has, and the most: (min, desired, max).
SIZES = {"web": ((4, 8, 16), (1, 2, 16)), "workers": ((2, 2, 4), (0, 0, 4))}


def world(double, home, standby):
    """Names are the runbook's; `home` and `standby` are a site's name and Region. Gives the zone's id."""
    for site, region in (home, standby):
        parameter_group(double, site, region)
    databases(double, home, standby)
    for which, (_, region) in enumerate((home, standby)):
        groups(double, region, which)
    return {"zone": zone(double, home, standby)}


def parameter_group(double, site, region):
    """Through which writes are frozen."""
    double.client("rds", region).create_db_parameter_group(
        DBParameterGroupName=f"orders-{site}", DBParameterGroupFamily=FAMILY, Description="storefront"
    )


def databases(double, home, standby):
    """The writer and its replica, both encrypted, each in a security group that lets the application in."""
    writer = double.client("rds", home[1]).create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.r6g.large",
        Engine="postgres",
        EngineVersion="15.7",
        AllocatedStorage=100,
        MasterUsername="lifeboat",
        MasterUserPassword=PASSWORD,
        DBName="orders",
        DBParameterGroupName=f"orders-{home[0]}",
        VpcSecurityGroupIds=[f"sg-app-{home[0]}"],
        BackupRetentionPeriod=7,
        StorageEncrypted=True,
        KmsKeyId="alias/orders",
        MultiAZ=True,
        Tags=[{"Key": "team", "Value": "storefront"}],
    )
    double.client("rds", standby[1]).create_db_instance_read_replica(
        DBInstanceIdentifier="orders",
        SourceDBInstanceIdentifier=writer["DBInstance"]["DBInstanceArn"],
        DBInstanceClass="db.r6g.large",
        DBParameterGroupName=f"orders-{standby[0]}",
        VpcSecurityGroupIds=[f"sg-app-{standby[0]}"],
        KmsKeyId="alias/orders",
        MultiAZ=True,
    )


def groups(double, region, which):
    """Servers and workers, at the sizes of a site that serves (0) or rests (1)."""
    scaling = double.client("autoscaling", region)
    scaling.create_launch_configuration(
        LaunchConfigurationName="storefront", ImageId="ami-12345678", InstanceType="t3.micro"
    )
    for name, sizes in SIZES.items():
        smallest, desired, largest = sizes[which]
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName="storefront",
            AvailabilityZones=[f"{region}a"],
            MinSize=smallest,
            DesiredCapacity=desired,
            MaxSize=largest,
        )


def zone(double, home, standby):
    """A weighted record: all weight at home."""
    route53 = double.client("route53", "us-east-1")
    made = route53.create_hosted_zone(Name="example.com", CallerReference="storefront")
    identifier = made["HostedZone"]["Id"].split("/")[-1]
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": "www.example.com",
                "Type": "A",
                "SetIdentifier": site,
                "Weight": weight,
                "TTL": 60,
                "ResourceRecords": [{"Value": address}],
            },
        }
        for site, weight, address in ((home[0], 100, "192.0.2.1"), (standby[0], 0, "192.0.2.2"))
    ]
    route53.change_resource_record_sets(HostedZoneId=identifier, ChangeBatch={"Changes": changes})
    return identifier
