"""Table definitions beside the data: what Athena, Hive and Redshift need to be told to read the objects of a load.

Their rules follow the documentation that each module names. None of it was run against AWS.
"""
