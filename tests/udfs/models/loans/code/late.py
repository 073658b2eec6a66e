def score(data, weights):
    return [sum(weights[name] * row[name] for name in weights) for row in data.to_dict("records")]
