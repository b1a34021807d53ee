//! What a store that differs from another in a few things passes on.

/// A store that differs in what is written here, and passes everything else on to its `inner`. The
/// methods that it may write itself stand in groups; those that it does not write are named first:
/// `leases` (claim, seize, renew, release) and `read`. `append` is always its own.
macro_rules! store_but {
    ($name:ty, [leases $($group:ident)*] $($own:tt)*) => {
        store_but! { $name, [$($group)*]
            async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
                self.inner.claim(key, who).await
            }
            async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
                self.inner.seize(key, who, from).await
            }
            async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
                self.inner.renew(fence).await
            }
            async fn release(&self, fence: Fence) -> Result<(), StoreError> {
                self.inner.release(fence).await
            }
            $($own)*
        }
    };
    ($name:ty, [read $($group:ident)*] $($own:tt)*) => {
        store_but! { $name, [$($group)*]
            async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
                self.inner.read(run, from).await
            }
            $($own)*
        }
    };
    ($name:ty, [] $($own:tt)*) => {
        #[async_trait]
        impl Store for $name {
            $($own)*
            async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError> {
                self.inner.runs(key).await
            }
            async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError> {
                self.inner.holder(key).await
            }
            async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError> {
                self.inner.post(run, control, by, at).await
            }
            async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError> {
                self.inner.inbox(run, after).await
            }
            async fn checkup(&self) -> Result<Checkup, StoreError> {
                self.inner.checkup().await
            }
            async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
                self.inner.rebuild(run).await
            }
            async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError> {
                self.inner.export(run).await
            }
            async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError> {
                self.inner.import(fence, run).await
            }
            async fn note_took(&self, call: &str, region: &Region, took: Span, at: Timestamp) {
                self.inner.note_took(call, region, took, at).await;
            }
            async fn past_durations(&self, call: &str, region: &Region) -> Vec<Span> {
                self.inner.past_durations(call, region).await
            }
        }
    };
}
