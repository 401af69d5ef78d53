"""What training a network costs on a node: time, energy and area, and which layer takes them.

::

    compiled = panther.train.twin.compile_model("mlp-l4")
    run = panther.cost.measure.measure(compiled, examples=16)
    account = panther.cost.layers.account(run, load_prices("panther"))
    print(account.time_s, account.bill.interval)
"""
