"""Delivers a load as planned: claims it, runs it, and deletes its staged files if that was asked for."""

from __future__ import annotations

from typing import Any

from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.uploader import Uploader
from airflow_provider_s3dest.load.dry_run import DryRun
from airflow_provider_s3dest.load.inputs import FileStores, inputs_of
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.run import run
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import safe_logger

log = safe_logger(__name__)


def deliver_as_planned(
    plan: LoadPlan, delivery: Delivery, client: Any, stores: FileStores, stop: StopFlag
) -> LoadReport:
    """Deliver a load.

    :param delivery: the attempt of the load, not claimed yet.
    :param client: the boto3 client that writes.
    :param stores: where staged files are read and deleted.
    :param stop: set from outside to end the load.
    """
    with Progress() as progress:
        if plan.is_staged and delivery.has_loaded_staged():
            # Some of the files may be deleted already, so the remaining files are not the whole input.
            with delivery:
                delivery.claim()
                return _finish_deletion(delivery, stores)
        inputs = inputs_of(plan, stores, progress.counted)
        sidecars = plan.sidecars(inputs.openers)
        plan.arguments.warn()
        if plan.arguments.dry_run:
            objects = ObjectWriter(plan.keys, delivery, DryRun(plan.spec, progress.stored))
            report = run(plan, inputs, sidecars, objects, progress)
        else:
            with delivery:
                delivery.claim(inputs.openers, [key for sidecar in sidecars for key in sidecar.keys])
                if delivery.staged is not None:  # an earlier attempt that was still alive has succeeded meanwhile
                    return _finish_deletion(delivery, stores)
                with Uploader(client, plan.spec, delivery, stop, progress.stored) as uploader:
                    report = run(plan, inputs, sidecars, ObjectWriter(plan.keys, delivery, uploader), progress)
                delivery.delete_staged(stores.remove)
    plan.log_end(report, progress)
    return report


def _finish_deletion(delivery: Delivery, stores: FileStores) -> LoadReport:
    """Delete the rest of the staged files that an earlier attempt has loaded, and return its report."""
    delivery.delete_staged(stores.remove)
    assert delivery.staged is not None
    log.info(
        "An earlier attempt loaded the staged files. Their deletion is finished, and its report is returned again."
    )
    return LoadReport.from_dict(delivery.staged.report)
