#!/usr/bin/env bash
# The flow of the wire benchmark by the AWS CLI: `flow_cli.sh ENDPOINT ZONE`.
# Five times `aws`, since the database is promoted and the servers are there at the first look.
set -euo pipefail
zone=$2
export AWS_ENDPOINT_URL=$1 AWS_DEFAULT_REGION=us-west-2 AWS_DEFAULT_OUTPUT=text

# Promotes the database if it still is a replica, and waits until it is available.
database() {
    local source
    source=$(aws rds describe-db-instances --db-instance-identifier orders \
        --query 'DBInstances[0].ReadReplicaSourceDBInstanceIdentifier')
    [ "$source" = None ] || aws rds promote-read-replica --db-instance-identifier orders
    aws rds wait db-instance-available --db-instance-identifier orders
}

# Gives the servers their size, and waits until they serve.
servers() {
    aws autoscaling update-auto-scaling-group --auto-scaling-group-name web \
        --min-size 4 --desired-capacity 8 --max-size 16
    until [ "$(serving)" -ge 8 ]; do sleep 0.5; done
}

# How many servers are in service.
serving() {
    aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names web \
        --query "length(AutoScalingGroups[0].Instances[?LifecycleState=='InService'])"
}

# One weighted record.
change() {
    printf '{"Action": "UPSERT", "ResourceRecordSet": {"Name": "www.example.com", "Type": "A", "SetIdentifier": "%s",' "$1"
    printf '"Weight": %d, "TTL": 60, "ResourceRecords": [{"Value": "%s"}]}}' "$2" "$3"
}

# Moves all weight to the standby.
records() {
    aws route53 change-resource-record-sets --hosted-zone-id "$zone" \
        --change-batch "{\"Changes\": [$(change ohio 0 192.0.2.1), $(change oregon 100 192.0.2.2)]}"
}

database
servers
records
