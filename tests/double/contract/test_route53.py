"""Route 53: batches, changes and lists."""

from .harness import Contract, advance, client, control


def record(name, value="192.0.2.1", kind="A", **fields):
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}], **fields}


def weighted(site, weight, name="app.example.com", **fields):
    return record(name, SetIdentifier=site, Weight=weight, **fields)


class Zone(Contract):
    def setUp(self):
        super().setUp()
        self.dns = client("route53")
        self.zone = self.dns.create_hosted_zone(Name="Example.com", CallerReference="1")["HostedZone"]["Id"]

    def send(self, *changes):
        batch = {"Changes": [{"Action": a, "ResourceRecordSet": r} for a, r in changes]}
        return self.dns.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)["ChangeInfo"]

    def wrong(self, *changes, code="InvalidChangeBatch"):
        return self.refused(code, self.send, *changes)

    def sets(self, **given):
        found = self.dns.list_resource_record_sets(HostedZoneId=self.zone, **given)["ResourceRecordSets"]
        return [r for r in found if r["Type"] not in ("NS", "SOA")]

    def weights(self):
        return {(r["Name"], r["SetIdentifier"]): r["Weight"] for r in self.sets()}


class Batches(Zone):
    def test_weights_move_in_one_batch(self):
        self.send(("CREATE", weighted("east", 100)), ("CREATE", weighted("west", 0)))
        self.send(("UPSERT", weighted("east", 0)), ("UPSERT", weighted("west", 100)))
        self.assertEqual(self.weights(), {("app.example.com.", "east"): 0, ("app.example.com.", "west"): 100})

    def test_a_batch_is_all_or_nothing(self):
        self.send(("CREATE", weighted("east", 100)))
        self.wrong(("UPSERT", weighted("east", 0)), ("UPSERT", record("app.elsewhere.org")))
        self.wrong(("UPSERT", weighted("east", 0)), ("CREATE", weighted("east", 1)))
        self.assertEqual(self.weights(), {("app.example.com.", "east"): 100})

    def test_an_upsert_replaces_the_whole_set(self):
        self.send(("CREATE", weighted("east", 1, HealthCheckId="hc")))
        self.send(("UPSERT", weighted("east", 2)))
        self.assertNotIn("HealthCheckId", self.sets()[0])

    def test_a_delete_needs_all_values_and_takes_only_its_set(self):
        for name in ("app.example.com", "db.example.com"):
            self.send(("CREATE", weighted("east", 1, name)), ("CREATE", weighted("west", 1, name)))
        self.wrong(("DELETE", weighted("east", 2)))
        self.wrong(("DELETE", weighted("east", 1, TTL=61)))
        self.wrong(("DELETE", weighted("north", 1)))
        self.send(("DELETE", weighted("east", 1)))
        self.assertEqual(len(self.weights()), 3)
        self.assertIn("not found", self.wrong(("DELETE", weighted("east", 1))))

    def test_a_set_can_be_deleted_and_created_anew_in_one_batch(self):
        self.send(("CREATE", record("app.example.com")))
        self.send(("DELETE", record("app.example.com")), ("CREATE", weighted("east", 1)))
        self.assertEqual(len(self.sets()), 1)

    def test_fields_are_checked(self):
        self.wrong(("UPSERT", weighted("east", 256)), code="InvalidInput")
        self.wrong(("UPSERT", record("app.example.com", Weight=1)), code="InvalidInput")
        self.wrong(("UPSERT", record("app.example.com", SetIdentifier="east")), code="InvalidInput")
        without = record("app.example.com")
        del without["TTL"]
        self.wrong(("UPSERT", without), code="InvalidInput")
        self.assertIn("IllegalIPv4Address", self.wrong(("UPSERT", record("app.example.com", "nonsense"))))

    def test_sets_that_may_not_stand_beside_each_other(self):
        self.send(("CREATE", record("app.example.com")))
        self.wrong(("CREATE", weighted("east", 1)))
        self.wrong(("CREATE", record("app.example.com", "x.example.com", "CNAME")))
        self.wrong(("CREATE", record("example.com", "x.example.com", "CNAME")))
        self.wrong(("UPSERT", record("new.example.com")), ("UPSERT", record("new.example.com", "192.0.2.2")))

    def test_limits(self):
        many = [record(f"n{n}.example.com", f"192.0.2.{n % 250}") for n in range(1001)]
        self.wrong(*[("CREATE", r) for r in many])
        self.wrong(*[("UPSERT", r) for r in many[:501]])
        self.send(*[("UPSERT", r) for r in many[:500]])
        long = [record(f"t{n}.example.com", '"' + "x" * 253 + '"', "TXT") for n in range(126)]
        self.wrong(*[("CREATE", r) for r in long])
        self.wrong(*[("UPSERT", r) for r in long[:63]])

    def test_an_unknown_zone(self):
        self.zone = "ZNONE"
        self.wrong(("CREATE", record("app.example.com")), code="NoSuchHostedZone")

    def test_a_caller_reference_makes_one_zone(self):
        self.refused("HostedZoneAlreadyExists", self.dns.create_hosted_zone, Name="example.org", CallerReference="1")

    def test_an_alias_keeps_its_target(self):
        alias = {
            "Name": "app.example.com",
            "Type": "A",
            "SetIdentifier": "east",
            "Weight": 1,
            "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "lb.example.net", "EvaluateTargetHealth": True},
        }
        self.send(("CREATE", alias))
        self.assertEqual(self.sets()[0]["AliasTarget"], {**alias["AliasTarget"], "DNSName": "lb.example.net."})
        self.send(("DELETE", alias))


class Changes(Zone):
    def test_a_change_is_pending_and_then_in_sync(self):
        change = self.send(("CREATE", record("app.example.com")))
        other = self.send(("CREATE", record("db.example.com")))
        self.assertNotEqual(change["Id"], other["Id"])
        status = lambda: self.dns.get_change(Id=change["Id"])["ChangeInfo"]["Status"]
        self.assertEqual((change["Status"], status()), ("PENDING", "PENDING"))
        self.assertEqual(len(self.sets()), 2)
        advance(30)
        self.assertEqual(status(), "INSYNC")
        self.refused("NoSuchChange", self.dns.get_change, Id="C1234567890123")

    def test_a_prior_request_can_be_in_the_way(self):
        control("POST", "route53/busy", zone=self.zone)
        self.wrong(("CREATE", record("app.example.com")), code="PriorRequestNotComplete")
        self.send(("CREATE", record("app.example.com")))


class Lists(Zone):
    def test_names_are_spelled_as_aws_does(self):
        self.send(("CREATE", record("*.App.Example.com")))
        self.assertEqual(self.sets()[0]["Name"], "\\052.app.example.com.")

    def test_the_zone_itself_is_listed(self):
        found = self.dns.list_resource_record_sets(HostedZoneId=self.zone)["ResourceRecordSets"]
        self.assertEqual([r["Type"] for r in found], ["NS", "SOA"])
        self.assertRegex(found[1]["ResourceRecords"][0]["Value"], r"^\S+ \S+ 1 7200 900 1209600 86400$")

    def test_pages_start_inside_a_weighted_set(self):
        self.send(*[("CREATE", weighted(f"s{n}", n)) for n in range(5)])
        seen, start = [], {"StartRecordName": "app.example.com", "StartRecordType": "A"}
        for _ in range(3):
            page = self.dns.list_resource_record_sets(HostedZoneId=self.zone, MaxItems="2", **start)
            seen += [r["SetIdentifier"] for r in page["ResourceRecordSets"]]
            if not page["IsTruncated"]:
                break
            start = {f"StartRecord{k}": page[f"NextRecord{k}"] for k in ("Name", "Type", "Identifier")}
        self.assertEqual(seen, ["s0", "s1", "s2", "s3", "s4"])
        self.assertFalse(page["IsTruncated"])

    def test_a_start_alone_by_type_is_refused(self):
        self.refused("InvalidInput", self.sets, StartRecordType="A")
