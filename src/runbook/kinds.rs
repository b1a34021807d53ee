//! The rows of the kinds of resources: what each may hold, and what identifies one at a site.

use crate::model::{Field, KindName, Shape, Ty};

const fn required(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Field {
    Field::required(name, ty, doc, example)
}
const fn optional(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Field {
    Field::optional(name, ty, doc, example)
}

/// What the language knows about a kind of resource.
#[derive(Debug)]
pub struct KindRow {
    /// The kind.
    pub kind: KindName,
    /// Its name and attributes, `kind` and `sites` among them.
    pub shape: Shape,
    /// What identifies it at a site: the values of `sites`, also `at.RESOURCE.…` in expressions.
    pub identity: Shape,
}

/// All kinds.
pub const KINDS: &[KindRow] = &[
    KindRow {
        kind: KindName::RdsInstance,
        shape: Shape {
            name: "rds-instance",
            doc: "A database instance with a cross-Region replica.",
            fields: &[
                required("kind", Ty::OneOf(&["rds-instance"]), "The kind.", "rds-instance"),
                optional("engine", Ty::OneOf(&["mysql", "mariadb", "postgres"]), "Its engine.", "postgres"),
                required(
                    "sites",
                    Ty::Named(&Ty::Of(&DB_IDENTITY)),
                    "The instance at each site.",
                    "{ ohio: { identifier: orders } }",
                ),
                optional(
                    "connection",
                    Ty::Of(&CONNECTION),
                    "How to connect to it, for proofs and data tests.",
                    "{ database: orders, user: lifeboat, password: { env: ORDERS_PW } }",
                ),
            ],
        },
        identity: DB_IDENTITY,
    },
    KindRow {
        kind: KindName::AutoscalingGroup,
        shape: Shape {
            name: "autoscaling-group",
            doc: "A group of servers.",
            fields: &[
                required("kind", Ty::OneOf(&["autoscaling-group"]), "The kind.", "autoscaling-group"),
                required(
                    "sizes",
                    Ty::Named(&Ty::Of(&SIZE)),
                    "Named sizes, for `scale`.",
                    "{ serving: { min: 4, desired: 8, max: 16 } }",
                ),
                required(
                    "sites",
                    Ty::Named(&Ty::Of(&GROUP_IDENTITY)),
                    "The group at each site.",
                    "{ ohio: { name: web } }",
                ),
            ],
        },
        identity: GROUP_IDENTITY,
    },
    KindRow {
        kind: KindName::WeightedRecord,
        shape: Shape {
            name: "weighted-record",
            doc: "DNS records with one weighted set per site.",
            fields: &[
                required("kind", Ty::OneOf(&["weighted-record"]), "The kind.", "weighted-record"),
                required("zone", Ty::Fixed, "The hosted zone's id.", "Z0EXAMPLE"),
                required("records", Ty::List(&Ty::Fixed), "The names of the records.", "[www.example.com]"),
                required(
                    "type",
                    Ty::OneOf(&["A", "AAAA", "CNAME", "TXT", "MX", "SRV", "CAA"]),
                    "The type of the records.",
                    "A",
                ),
                required(
                    "sites",
                    Ty::Named(&Ty::Of(&RECORD_IDENTITY)),
                    "The set at each site.",
                    "{ ohio: { set_identifier: ohio } }",
                ),
            ],
        },
        identity: RECORD_IDENTITY,
    },
    KindRow {
        kind: KindName::StateMachine,
        shape: Shape {
            name: "state-machine",
            doc: "A Step Functions state machine: what a team has automated already.",
            fields: &[
                required("kind", Ty::OneOf(&["state-machine"]), "The kind.", "state-machine"),
                required(
                    "sites",
                    Ty::Named(&Ty::Of(&MACHINE_IDENTITY)),
                    "The state machine at each site.",
                    "{ oregon: { arn: arn:aws:states:us-west-2:111122223333:stateMachine:warm-caches } }",
                ),
            ],
        },
        identity: MACHINE_IDENTITY,
    },
];

/// The row of a kind's name.
pub fn kind_row(name: &str) -> Option<&'static KindRow> {
    KINDS.iter().find(|row| row.shape.name == name)
}

/// A database at a site.
pub const DB_IDENTITY: Shape = Shape {
    name: "database identity",
    doc: "A database instance at a site.",
    fields: &[
        required("identifier", Ty::Fixed, "The instance identifier, the same whatever its role.", "orders"),
        optional(
            "parameter_group",
            Ty::Fixed,
            "Its own parameter group, through which writes are frozen.",
            "orders-ohio",
        ),
        optional("quarantine_security_groups", Ty::List(&Ty::Fixed), "Security groups that let nobody in.", "[sg-0a]"),
        optional("kms_key", Ty::Fixed, "The key that encrypts a replica built here.", "alias/orders"),
    ],
};

/// How to connect.
pub const CONNECTION: Shape = Shape {
    name: "connection",
    doc: "How to connect to a database.",
    fields: &[
        optional("database", Ty::Fixed, "The database.", "orders"),
        optional("user", Ty::Fixed, "The user.", "lifeboat"),
        optional("password", Ty::Of(&PASSWORD), "Where its password is found.", "{ env: ORDERS_PW }"),
        optional(
            "port",
            Ty::Literal(&Ty::Int { min: 1, max: 65535 }),
            "The port, where it is not the one that the instance reports.",
            "5432",
        ),
        optional(
            "tls",
            Ty::OneOf(&["require", "verify-full", "disable"]),
            "How the connection is protected, as libpq's `sslmode`; `require` where nothing is said.",
            "verify-full",
        ),
        optional("ca", Ty::Fixed, "The authorities that vouch for the server, a file beside the runbook.", "rds.pem"),
    ],
};

/// Where a password is found.
pub const PASSWORD: Shape = Shape {
    name: "password",
    doc: "Where a password is found; never the password.",
    fields: &[
        optional("env", Ty::Fixed, "The environment variable that holds it.", "ORDERS_PW"),
        optional("secret", Ty::Fixed, "The secret of Secrets Manager, in each site's own Region.", "orders/lifeboat"),
    ],
};

/// A size.
pub const SIZE: Shape = Shape {
    name: "size",
    doc: "A size of a group of servers.",
    fields: &[
        required("min", Ty::Literal(&Ty::Int { min: 0, max: 100_000 }), "Fewest servers.", "4"),
        required("desired", Ty::Literal(&Ty::Int { min: 0, max: 100_000 }), "Servers wanted.", "8"),
        required("max", Ty::Literal(&Ty::Int { min: 0, max: 100_000 }), "Most servers.", "16"),
    ],
};

/// A group at a site.
pub const GROUP_IDENTITY: Shape = Shape {
    name: "group identity",
    doc: "A group of servers at a site.",
    fields: &[required("name", Ty::Fixed, "The group's name.", "web")],
};

/// A weighted set at a site.
pub const RECORD_IDENTITY: Shape = Shape {
    name: "record identity",
    doc: "A weighted set at a site.",
    fields: &[required("set_identifier", Ty::Fixed, "The set's identifier.", "ohio")],
};

/// A state machine at a site.
pub const MACHINE_IDENTITY: Shape = Shape {
    name: "state machine identity",
    doc: "A state machine at a site.",
    fields: &[required("arn", Ty::Fixed, "Its ARN.", "arn:aws:states:us-west-2:111122223333:stateMachine:warm-caches")],
};
