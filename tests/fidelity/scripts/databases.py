import sqlite3

with sqlite3.connect("here.db") as database:
    database.execute("create table t (a integer, b text)")
    database.executemany("insert into t values (?, ?)", enumerate("abc"))
    print(database.execute("select sum(a), group_concat(b) from t").fetchall())
database.execute("select nothing")
