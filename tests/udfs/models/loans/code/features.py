def prepared(data):
    return data.assign(member=(data["member"] == "yes").astype(int))
