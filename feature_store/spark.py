"""Spark's settings for training sets and scoring."""

from collections.abc import Mapping

LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Java's default of one gigabyte is not enough to join a million users
    "spark.driver.memory": "4g",
    # the default of 200, in each of some thirty steps of the join, costs a third of the time for 100,000 users
    "spark.sql.shuffle.partitions": "8",
}


def spark_conf(master: str) -> Mapping[str, str]:
    """What makes the join give the same values as the other engines. For Spark on this machine, its memory as well."""
    return {
        "spark.master": master,
        "spark.app.name": "streamflow",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.maxResultSize": "0",  # a training set of any size comes to the driver
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(LOCAL if master.startswith("local") else {}),
    }
